"""Every way a film gets from a person to its reading page, and what is said when it cannot."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

# Hands files to the page as a drag and drop or a paste does.
HAND_OVER = """
([kind, files]) => {
  const transfer = new DataTransfer();
  for (const { name, type, base64 } of files) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}
"""


def hand_over(page: Page, kind: str, *paths: Path) -> None:
    files = [
        {"name": p.name, "type": "image/png", "base64": base64.b64encode(p.read_bytes()).decode()}
        for p in paths
    ]
    page.evaluate(HAND_OVER, [kind, files])


def expect_reading(page: Page) -> None:
    page.wait_for_url("**/readings/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pneumonia")
    expect(page.get_by_text("560 × 480 pixels")).to_be_visible()


def test_file_button_works_without_javascript(visitor, site, radiograph):
    page = visitor.page(scripted=False)
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(radiograph)
    page.get_by_role("button", name="Read the film").click()
    expect_reading(page)
    page.goto(site)
    expect(
        page.get_by_role("region", name="Recent readings").get_by_role("listitem")
    ).to_have_count(1)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_radiograph_handed_to_the_page_is_read_at_once(visitor, site, radiograph, kind):
    page = visitor.page()
    page.goto(site)
    hand_over(page, kind, radiograph)
    expect_reading(page)


def test_page_shows_where_a_dragged_radiograph_may_fall(visitor, site, radiograph):
    page = visitor.page()
    page.goto(site)
    veil = page.get_by_text("Drop the film to read it")
    expect(veil).to_be_hidden()
    hand_over(page, "dragenter", radiograph)
    expect(veil).to_be_visible()
    hand_over(page, "dragleave", radiograph)
    expect(veil).to_be_hidden()


def test_keyboard_alone_reaches_a_reading(visitor, site, radiograph):
    page = visitor.page()
    # The browser hands choosers over once somebody listens; listening begins before the page does.
    page.on("filechooser", lambda chooser: None)
    page.goto(site)
    file_input = page.get_by_label("Chest film, a file")
    for _ in range(12):
        page.keyboard.press("Tab")
        if file_input.evaluate("element => element === document.activeElement"):
            break
    expect(file_input).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(radiograph)
    expect(page.get_by_text("Chosen: film.png")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Read the film")).to_be_focused()
    page.keyboard.press("Enter")
    expect_reading(page)


def test_button_says_reading_while_posting_and_is_itself_again_after_going_back(
    visitor, site, radiograph
):
    page = visitor.page()
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(radiograph)
    button = page.locator("form.upload button[type=submit]")
    held: list[Route] = []
    page.route(
        "**/*",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    button.evaluate("element => element.click()")
    expect(button).to_have_text("Reading…")
    expect(button).to_be_disabled()
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect_reading(page)
    page.go_back()
    expect(button).to_have_text("Read the film")
    expect(button).to_be_enabled()


@pytest.mark.parametrize("scripted", [True, False])
def test_text_file_is_refused_beside_the_form(visitor, site, tmp_path, scripted):
    notes = tmp_path / "notes.jpg"
    notes.write_text("Patient was well.\n" * 50, encoding="utf-8")
    page = visitor.page(scripted=scripted)
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(notes)
    page.get_by_role("button", name="Read the film").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This kind of file is not accepted")
    expect(alert).to_contain_text("JPEG, PNG or DICOM")
    expect(alert).to_be_focused()
    expect(page.get_by_role("button", name="Read the film")).to_be_enabled()


def test_too_large_a_file_is_refused_without_sending_it(visitor, site, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG" + bytes(3 * 2**20))
    page = visitor.page()
    page.goto(site)
    posts = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    page.get_by_label("Chest film, a file").set_input_files(large)
    page.get_by_role("button", name="Read the film").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "large.png has 3.0 MB; at most 2 MB are accepted."
    )
    assert posts == []


def test_sample_is_labelled_synthetic_and_can_be_read(visitor, site):
    page = visitor.page()
    page.goto(site)
    samples = page.get_by_role("region", name="Try a synthetic film").get_by_role("button")
    for sample in samples.all():
        assert "synthetic" in sample.inner_text().lower()
    samples.first.click()
    page.wait_for_url("**/readings/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pneumonia")
