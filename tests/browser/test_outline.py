"""The outline of the lungs on the film: where it lies, how it is switched, when it is not there."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OUTLINE


@pytest.fixture
def page(visitor, outlined_url) -> Page:
    own = visitor.page(size=(1440, 900))
    own.goto(outlined_url)
    return own


def corners(page: Page) -> list[float]:
    """Bounding box of the outline's polygons on the screen."""
    return page.locator(".outline").evaluate(
        "svg => { const all = [...svg.querySelectorAll('polygon')]"
        ".map((p) => p.getBoundingClientRect());"
        "return [Math.min(...all.map((b) => b.left)), Math.min(...all.map((b) => b.top)),"
        "Math.max(...all.map((b) => b.right)), Math.max(...all.map((b) => b.bottom))]; }"
    )


def radiograph_box(page: Page) -> tuple[float, float, float, float]:
    """Where the film itself is painted within its picture, which is letterboxed."""
    box = page.locator(".mapped img").first.bounding_box()
    scale = min(box["width"] / 560, box["height"] / 480)
    left = box["x"] + (box["width"] - 560 * scale) / 2
    top = box["y"] + (box["height"] - 480 * scale) / 2
    return left, top, 560 * scale, 480 * scale


@pytest.mark.parametrize("size", [(1440, 900), (390, 800), (1300, 420)])
def test_it_lies_where_the_lungs_are_on_the_radiograph(visitor, outlined_url, size):
    page = visitor.page(size=size)
    page.goto(outlined_url)
    page.get_by_role("checkbox", name="Lungs").check()
    for view in ("Side by side", "One picture"):
        page.get_by_label(view).check()
        left, top, width, height = radiograph_box(page)
        xs = [x for part in OUTLINE for x, _ in part]
        ys = [y for part in OUTLINE for _, y in part]
        expected = [
            left + min(xs) * width,
            top + min(ys) * height,
            left + max(xs) * width,
            top + max(ys) * height,
        ]
        # Half of the line lies outside the shape; browsers differ in whether the box holds it.
        assert corners(page) == pytest.approx(expected, abs=1.5), view


def test_l_switches_it_and_the_choice_is_remembered(page):
    outline = page.locator(".outline")
    expect(outline).to_be_visible()
    page.keyboard.press("l")
    expect(outline).to_be_hidden()
    page.reload()
    expect(outline).to_be_hidden()
    page.keyboard.press("l")
    expect(outline).to_be_visible()
    assert page.locator(".plain .outline").count() == 0
    page.get_by_text("Keys", exact=True).click()
    expect(page.get_by_text("outline of the lungs on or off")).to_be_visible()


def test_its_line_is_as_thin_on_a_large_radiograph_as_on_a_small_one(page):
    page.get_by_role("checkbox", name="Lungs").check()
    line = page.locator(".outline polygon").first
    expect(line).to_have_css("vector-effect", "non-scaling-stroke")
    expect(line).to_have_css("stroke-width", "1.5px")
    expect(line).to_have_css("fill", "none")


def test_it_is_switched_without_javascript(visitor, outlined_url):
    page = visitor.page(scripted=False)
    page.goto(outlined_url)
    outline, switch = page.locator(".outline"), page.get_by_role("checkbox", name="Lungs")
    switch.uncheck()
    expect(outline).to_be_hidden()
    switch.check()
    expect(outline).to_be_visible()


def test_it_is_not_printed(page):
    page.get_by_role("checkbox", name="Lungs").check()
    page.emulate_media(media="print")
    expect(page.locator(".outline")).to_be_hidden()


def test_without_lungs_nothing_offers_them(visitor, reading_url):
    page = visitor.page()
    page.goto(reading_url)
    expect(page.get_by_role("checkbox", name="Lungs")).to_have_count(0)
    expect(page.locator(".outline")).to_have_count(0)
    page.keyboard.press("l")
    page.get_by_text("Keys", exact=True).click()
    expect(page.get_by_text("outline of the lungs")).to_have_count(0)
