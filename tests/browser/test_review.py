"""A clinician works down what is not reviewed yet: by keyboard, without JavaScript, on paper."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import CONTRASTS, overflow


@pytest.fixture
def unreviewed(visitor, site, radiograph) -> tuple[str, str]:
    """Two readings of a batch of their own, on a site that calls all films pneumonia; its list."""
    page = visitor.page(scripted=False)
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files([radiograph, radiograph])
    page.get_by_role("button", name="Read the film").click()
    page.wait_for_url("**/batches/*")
    batch = page.url.rpartition("/")[2]
    return site, f"{site}/worklist?batch={batch}&review=none&sort=oldest"


@pytest.mark.parametrize("scripted", [True, False])
def test_list_is_worked_down_to_its_end(visitor, unreviewed, scripted):
    _, address = unreviewed
    page = visitor.page(scripted=scripted)
    page.goto(address)
    expect(page.locator("tbody .name")).to_have_count(2)
    page.locator(".row-link").first.click()
    page.get_by_label("Disagree: no pneumonia").check()
    page.get_by_text("Other findings, a note").click()
    page.get_by_label("Pleural effusion").check()
    page.get_by_role("textbox", name="Note").fill("Old effusion.")
    page.get_by_label("Your name").fill("A. B.")
    page.get_by_role("button", name="Keep, and next").click()

    expect(page.get_by_role("status").get_by_text("The review was kept.")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("A. B.")
    page.get_by_label("Agree: pneumonia").check()
    page.get_by_role("button", name="Keep the review").click()
    expect(page.locator(".review-history")).to_contain_text("Agree: pneumonia")
    page.get_by_role("navigation", name="Worklist").get_by_role("link", name="Worklist").click()
    expect(page.get_by_text("No reading fits these filters.")).to_be_visible()

    page.goto(address.replace("review=none", "review=disagree"))
    expect(page.locator("tbody .opinion")).to_have_text("Disagree: no pneumonia")


def test_review_is_made_by_keys_alone(visitor, unreviewed):
    _, address = unreviewed
    page = visitor.page()
    page.goto(address)
    page.locator(".row-link").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/readings/*")
    page.wait_for_load_state()
    page.get_by_label("Agree: pneumonia").focus()
    page.keyboard.press("ArrowUp")  # around to the last one
    expect(page.get_by_label("Unsure")).to_be_checked()
    page.get_by_label("Your name").focus()
    page.keyboard.type("J K")  # keys that also lead through the list
    expect(page.get_by_label("Your name")).to_have_value("J K")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The review was kept.")).to_be_visible()


def test_paper_shows_the_review_and_not_its_form(visitor, unreviewed):
    _, address = unreviewed
    page = visitor.page()
    page.goto(address)
    page.locator(".row-link").first.click()
    page.emulate_media(media="print")
    expect(page.get_by_text("Not reviewed.")).to_be_visible()
    page.emulate_media(media="screen")
    page.get_by_label("Unsure").check()
    page.get_by_label("Your name").fill("A. B.")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("The review was kept.")).to_be_visible()
    page.go_back()
    page.reload()
    page.emulate_media(media="print")
    expect(page.locator(".review-history")).to_contain_text("Unsure")
    expect(page.get_by_label("Your name")).to_be_hidden()
    expect(page.get_by_text("Review again")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_refused_review_can_be_read_and_fits(visitor, unreviewed, theme):
    _, address = unreviewed
    page = visitor.page(theme=theme, size=(360, 740))
    page.goto(address)
    page.locator(".row-link").first.click()
    page.locator(".review form").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("alert").first).to_have_text("Choose one: agree, disagree or unsure.")
    page.wait_for_load_state()  # its style is there
    assert [entry for entry in page.evaluate(CONTRASTS) if entry[1] < entry[2]] == []
    assert overflow(page) == 0
