"""The worklist as a person works it: by mouse, by keyboard, without JavaScript, on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_every_page import CONTRASTS, overflow


@pytest.fixture(scope="module")
def listed(browser, normal_site, radiograph) -> str:
    """A site with three readings of its own, named A-1 to A-3; its address."""
    with browser.new_context() as context:
        page = context.new_page()
        for name in ("A-1", "A-2", "A-3"):
            page.goto(normal_site)
            page.get_by_label("Your reference").fill(name)
            page.get_by_label("Chest film, a file").set_input_files(radiograph)
            page.get_by_role("button", name="Read the film").click()
            page.wait_for_url("**/readings/*")
    return normal_site


def expect_names(page: Page, *names: str) -> None:
    """Wait until the list shows these of the fixture's readings, in this order."""
    expect(page.locator("tbody .name a", has_text=re.compile(r"^\s*A-"))).to_have_text(names)


@pytest.mark.parametrize("scripted", [True, False])
def test_list_is_searched_sorted_and_read_through(visitor, listed, scripted):
    page = visitor.page(scripted=scripted)
    page.goto(listed)
    page.get_by_role("link", name="Worklist", exact=True).click()
    page.get_by_label("Reference").fill("a-")
    page.get_by_label("Order").select_option("Oldest first")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("3 readings fit the filters")).to_be_visible()
    expect_names(page, "A-1", "A-2", "A-3")

    page.get_by_role("link", name="A-1").click()
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".which")).to_contain_text("A-2")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".which")).to_contain_text("A-3")
    expect(page.get_by_text("End of the list")).to_be_visible()
    page.get_by_role("navigation", name="Worklist").get_by_role("link", name="Worklist").click()
    expect(page.get_by_label("Reference")).to_have_value("a-")
    expect_names(page, "A-1", "A-2", "A-3")


def test_keys_lead_from_reading_to_reading(visitor, listed):
    page = visitor.page()
    page.goto(f"{listed}/worklist?reference=A-&sort=oldest")
    page.get_by_role("link", name="A-1").focus()
    page.keyboard.press("Enter")
    for name, key in (("A-1", "j"), ("A-2", "j"), ("A-3", "k"), ("A-2", "n")):
        expect(page.locator(".which")).to_contain_text(name)
        page.wait_for_load_state()  # its script has run
        page.keyboard.press(key)


def test_whole_row_opens_the_reading_but_its_box_is_ticked(visitor, listed):
    page = visitor.page()
    page.goto(f"{listed}/worklist?reference=A-2")
    row = page.locator("tbody tr")
    row.get_by_role("checkbox").check()
    expect(page.get_by_text("1 ticked")).to_be_visible()
    row.get_by_text("Normal").click(force=True)  # the row's link lies over it
    page.wait_for_url("**/readings/*")


def test_days_are_those_of_the_viewer(browser, listed):
    with browser.new_context(timezone_id="Asia/Kolkata") as context:
        page = context.new_page()
        page.goto(f"{listed}/worklist")
        page.get_by_text("More filters").click()
        page.get_by_label("Since").fill("2026-03-01")
        page.get_by_label("Until").fill("2026-03-01")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**since=*")
        assert "since=2026-03-01T00%3A00%3A00%2B05%3A30" in page.url
        assert "until=2026-03-01T23%3A59%3A59.999999%2B05%3A30" in page.url
        assert "reference=" not in page.url  # an address that says only what was chosen
        expect(page.get_by_label("Since")).to_have_value("2026-03-01")
        expect(page.get_by_text("No reading fits these filters.")).to_be_visible()


def test_ticked_readings_are_exported_deleted_and_brought_back(visitor, listed):
    page = visitor.page()
    page.goto(f"{listed}/worklist?reference=A-&sort=oldest")
    page.get_by_label("All on this page").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export ticked").click()
    assert len(download.value.path().read_text().splitlines()) == 4

    page.get_by_label("All on this page").uncheck()
    page.get_by_label("A-2").check()
    page.get_by_role("button", name="Delete ticked").click()
    expect(page.get_by_text("1 reading deleted. For 7 days")).to_be_visible()
    expect_names(page, "A-1", "A-3")
    page.get_by_role("link", name="Deleted readings").click()
    page.get_by_label("A-2").check()
    page.get_by_role("button", name="Bring ticked back").click()
    expect(page.get_by_text("1 reading brought back.")).to_be_visible()
    page.get_by_role("link", name="Worklist", exact=True).first.click()
    expect_names(page, "A-3", "A-2", "A-1")  # newest first


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("asked", ["", "?reference=nobody&match=no", "?sort=best"])
def test_text_stands_out_from_its_ground(visitor, listed, theme, asked):
    page = visitor.page(theme=theme)
    page.goto(f"{listed}/worklist{asked}")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 8
    assert [entry for entry in found if entry[1] < entry[2]] == []


@pytest.mark.parametrize("width", [360, 768, 1920])
@pytest.mark.parametrize("asked", ["", "?reference=nobody&match=no", "/deleted"])
def test_nothing_runs_out_of_the_window(visitor, listed, width, asked):
    page = visitor.page(size=(width, 800))
    page.goto(f"{listed}/worklist{asked}")
    assert overflow(page) == 0
