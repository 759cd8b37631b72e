"""Looking closely: zoom, window, invert, rotate, contours, distances, an earlier film, the keys."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.browser.conftest import _read
from tests.browser.test_every_page import overflow
from tests.dicom_files import encode_dicom


@pytest.fixture(scope="module")
def deep_grey() -> np.ndarray:
    return synthetic_radiograph(7, opacity=True, size=(480, 560)).astype(np.uint16) * 16


@pytest.fixture(scope="module")
def deep_film(tmp_path_factory: pytest.TempPathFactory, deep_grey: np.ndarray) -> Path:
    """12 bits, a window that clips, and pixels of half a millimetre."""
    path = tmp_path_factory.mktemp("deep") / "film.dcm"
    path.write_bytes(
        encode_dicom(
            deep_grey, BitsStored=12, WindowCenter=2048, WindowWidth=2000, PixelSpacing=[0.5, 0.5]
        )
    )
    return path


@pytest.fixture(scope="module")
def deep_url(browser, site, deep_film) -> str:
    return _read(browser, site, deep_film)


@pytest.fixture
def page(visitor, deep_url) -> Page:
    own = visitor.page(size=(1440, 900))
    own.goto(deep_url)
    expect(figures(own)).to_have_text(re.compile(r"^\d+ %$"))
    return own


def figures(page: Page) -> Locator:
    return page.locator(".plain .figures-of-view")


def transform(page: Page) -> list[float]:
    """a, b, c, d of the plain picture's matrix."""
    found: list[float] = page.locator(".plain img").evaluate(
        "i => { const m = new DOMMatrix(getComputedStyle(i).transform);"
        " return [m.a, m.b, m.c, m.d]; }"
    )
    return found


def expect_scale(page: Page, scale: float) -> None:
    stack = page.locator(".plain .stack")
    expect(stack).to_have_attribute("style", re.compile(rf"--look-scale: {scale:g};"))


def coarse(picture: np.ndarray) -> np.ndarray:
    """A picture as 28 by 24 means, without its edge: edges within it hardly matter."""
    small = Image.fromarray(picture.astype(np.float32)).resize((28, 24), Image.Resampling.BOX)
    return np.asarray(small, float)[3:-3, 3:-3]


def greys(page: Page) -> np.ndarray:
    """What the screen shows of the plain picture, 0 to 255, as `coarse` does."""
    shot = Image.open(io.BytesIO(page.locator(".plain .stack").screenshot()))
    return coarse(np.asarray(shot.convert("L")))


def test_keys_and_wheel_zoom_both_pictures_alike(page):
    page.keyboard.press("+")
    expect_scale(page, 1.25)
    page.keyboard.press("0")
    expect_scale(page, 1)
    page.locator(".plain .stack").hover()
    page.mouse.wheel(0, -400)
    expect(page.locator(".viewer")).to_have_class("viewer enlarged")
    styles = page.locator(".stack > img").evaluate_all(
        "all => all.map((i) => getComputedStyle(i).transform)"
    )
    assert len(styles) == 3
    assert len(set(styles)) == 1
    assert transform(page)[0] == pytest.approx(1.0015**400, rel=0.01)


def test_at_its_fitted_size_the_wheel_still_scrolls_the_page_down(page):
    page.locator(".plain .stack").hover()
    page.mouse.wheel(0, 300)
    page.wait_for_function("window.scrollY > 0")
    expect_scale(page, 1)


def test_an_enlarged_film_is_moved_by_dragging_and_by_arrows(page):
    page.keyboard.press("9")
    page.keyboard.press("+")
    page.keyboard.press("+")
    stack = page.locator(".plain .stack")
    stack.focus()
    before = stack.get_attribute("style")
    page.keyboard.press("ArrowRight")
    expect(stack).not_to_have_attribute("style", before)
    moved = stack.get_attribute("style")
    drag(page, (200, 200), (260, 230))
    expect(stack).not_to_have_attribute("style", moved)


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    box = page.locator(".plain .stack").bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
    page.mouse.up()


# A test machine has no graphics card: its software is let compute the shader.
LET_SOFTWARE = """
const own = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return own.call(this, kind, { ...options, failIfMajorPerformanceCaveat: false });
};
"""


@pytest.mark.parametrize("script", ["", LET_SOFTWARE], ids=["plain", "shader"])
def test_full_range_shows_what_the_files_window_hides(page, deep_grey, script):
    page.add_init_script(script)
    page.reload()
    expect(figures(page)).to_have_text(re.compile(r"^\d+ %$"))
    as_read = greys(page)
    page.get_by_label("Greys").select_option("Full range")
    expect(figures(page)).to_have_text(re.compile(r"^W [\d,]+ L [\d,]+ · \d+ %$"))
    low, high = float(deep_grey.min()), float(deep_grey.max())
    expected = coarse(255 * (deep_grey - low) / (high - low))
    assert np.abs(greys(page) - expected).max() < 10
    assert np.abs(as_read - expected).max() > 25
    page.keyboard.press("x")
    expect(page.get_by_label("Greys")).to_have_value("read")
    assert np.abs(greys(page) - as_read).max() < 2


def test_dragging_sets_the_window_and_the_next_film_keeps_it(page, reading_url):
    page.keyboard.press("w")
    drag(page, (200, 200), (205, 200))
    expect(page.get_by_label("Greys")).to_have_value("hand")
    expect(figures(page)).to_have_text(re.compile("^W "))
    page.keyboard.press("i")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    page.goto(reading_url)
    expect(page.get_by_label("Window", exact=True)).to_be_checked()
    expect(page.get_by_label("Greys")).to_have_value("hand")
    expect(figures(page)).to_have_text(re.compile("^W "))
    expect(page.locator(".plain img")).to_have_css("filter", "invert(1)")


def test_first_step_by_hand_begins_where_the_film_was_read(page):
    as_read = greys(page)
    page.keyboard.press("w")
    page.locator(".plain .stack").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Greys")).to_have_value("hand")
    expect(page.locator(".plain .windowed")).to_be_visible()
    assert np.abs(greys(page) - as_read).max() < 12


def test_rotated_it_fits_its_box(page):
    page.keyboard.press("r")
    page.wait_for_function(
        "new DOMMatrix(getComputedStyle(document.querySelector('.plain img')).transform).b > 0.5"
    )
    a, b, c, d = transform(page)
    assert (a, d) == pytest.approx((0, 0), abs=1e-6)
    assert b == pytest.approx(-c)
    fitted = page.locator(".plain .stack").evaluate(
        "s => Math.round(100 * Math.min(s.clientWidth / 480, s.clientHeight / 560))"
    )
    expect(figures(page)).to_have_text(f"{fitted} %")


def test_a_distance_is_measured_by_mouse_and_by_keyboard(page):
    page.keyboard.press("d")
    scale = page.locator(".plain .stack").evaluate(
        "s => Math.min(s.clientWidth / 560, s.clientHeight / 480)"
    )
    drag(page, (100, 150), (100 + round(200 * scale), 150))
    label = page.locator(".plain .measures text")
    expect(label).to_have_text(re.compile(r"^(99|100)(\.\d)? mm$"))
    expect(page.locator("[data-status]")).to_have_text(re.compile("^Distance "))
    stack = page.locator(".plain .stack")
    stack.focus()
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(label).to_have_count(2)
    expect(label.nth(1)).to_have_text(f"{25 / scale:.1f} mm")
    page.keyboard.press("Delete")
    expect(label).to_have_count(1)
    expect(page.get_by_text("Distances are those on the detector")).to_be_visible()


def test_without_a_spacing_nothing_is_measured(visitor, reading_url):
    page = visitor.page()
    page.goto(reading_url)
    expect(page.get_by_label("Move", exact=True)).to_be_checked()
    expect(page.get_by_label("Measure", exact=True)).to_have_count(0)
    page.keyboard.press("d")
    expect(page.get_by_label("Move", exact=True)).to_be_checked()


@pytest.mark.parametrize("scripted", [True, False])
def test_contours_stand_in_for_the_heat_map(visitor, deep_url, scripted):
    page = visitor.page(scripted=scripted)
    page.goto(deep_url)
    expect(page.locator(".contours")).to_be_hidden()
    page.get_by_label("Contour", exact=True).check()
    expect(page.locator(".contours")).to_be_visible()
    expect(page.locator(".overlay")).to_be_hidden()
    page.get_by_role("checkbox", name="Map").uncheck()
    expect(page.locator(".contours")).to_be_hidden()


def test_question_mark_opens_the_sheet_of_keys(page):
    sheet = page.get_by_role("dialog", name="What the keys do")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("one to one: a pixel of the film is one of the screen")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_without_javascript_the_film_is_shown_and_no_tool_offered(visitor, deep_url):
    page = visitor.page(scripted=False)
    page.goto(deep_url)
    expect(page.locator(".tools")).to_be_hidden()
    expect(page.locator(".plain img")).to_be_visible()
    expect(page.locator(".figures-of-view")).to_have_count(0)


def test_levels_that_cannot_be_had_are_said(visitor, deep_url):
    page = visitor.page()
    page.route("**/levels.png", lambda route: route.fulfill(status=404, body=""))
    page.goto(deep_url)
    page.get_by_label("Greys").select_option("Full range")
    expect(page.locator("[data-status]")).to_contain_text("could not be loaded")
    expect(page.get_by_label("Greys")).to_have_value("read")


def test_an_earlier_film_is_shown_beside_and_moves_along(visitor, site, radiograph):
    page = visitor.page(size=(1440, 900))
    for _ in range(2):
        page.goto(site)
        page.get_by_label("Your reference").fill("viewer 1")
        page.get_by_label("Chest film, a file").set_input_files(radiograph)
        page.get_by_role("button", name="Read the film").click()
        page.wait_for_url("**/readings/*")
    earlier = page.get_by_role("navigation", name="Earlier films")
    earlier.get_by_role("link").first.click()
    prior = page.locator(".prior")
    expect(prior.locator(".figures-of-view")).to_have_text(re.compile("%$"))  # its script has run
    page.keyboard.press("+")
    expect(prior.locator(".stack")).to_have_attribute("style", re.compile("--look-scale: 1.25"))
    page.emulate_media(media="print")
    expect(prior).to_be_hidden()


@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_tools_run_out_of_no_window(visitor, deep_url, size):
    page = visitor.page(size=size)
    page.goto(deep_url)
    assert overflow(page) == 0
