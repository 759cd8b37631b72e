"""The reading page: the verdict, the two views, the map and its opacity, the keys, deletion."""

import re
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect


def expect_opacity(page: Page, opacity: str) -> None:
    expect(page.locator(".overlay")).to_have_css("opacity", opacity)


def width_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["width"]


@pytest.fixture
def page(visitor, reading_url) -> Page:
    own = visitor.page(size=(1440, 900))
    own.goto(reading_url)
    return own


def test_slider_sets_the_opacity_of_the_map_and_is_remembered(page):
    slider = page.get_by_label("Opacity")
    expect_opacity(page, "0.6")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect_opacity(page, "0.65")
    expect(page.locator("output")).to_have_text("65 %")
    page.keyboard.press("Home")
    expect_opacity(page, "0")
    page.keyboard.press("End")
    expect_opacity(page, "1")
    page.reload()
    expect_opacity(page, "1")


def test_keys_choose_the_view_and_the_map(page):
    plain, overlay = page.locator(".plain"), page.locator(".overlay")
    expect(plain).to_be_visible()
    beside = width_of(page, ".mapped")
    page.keyboard.press("2")
    expect(plain).to_be_hidden()
    expect(page.get_by_label("One picture")).to_be_checked()
    assert width_of(page, ".mapped") > 1.9 * beside
    page.keyboard.press("1")
    expect(plain).to_be_visible()
    expect(overlay).to_be_visible()
    page.keyboard.press("o")
    expect(overlay).to_be_hidden()
    page.keyboard.press("o")
    expect(overlay).to_be_visible()


def test_n_starts_a_new_reading(page, site):
    page.keyboard.press("n")
    page.wait_for_url(f"{site}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Read a chest film")


def test_single_keys_can_be_switched_off(page):
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Use single keys").uncheck()
    page.keyboard.press("2")
    expect(page.locator(".plain")).to_be_visible()
    page.reload()
    page.keyboard.press("2")
    expect(page.get_by_label("Side by side")).to_be_checked()


def test_radiograph_and_map_lie_exactly_over_each_other_undistorted(page):
    boxes = page.locator(".mapped img").evaluate_all(
        "images => images.map((i) => { const b = i.getBoundingClientRect(); "
        "return [b.x, b.y, b.width, b.height]; })"
    )
    assert boxes[0] == boxes[1]
    fits = page.locator(".lightbox img").evaluate_all(
        "images => images.map((i) => [getComputedStyle(i).objectFit, i.naturalWidth, "
        "i.naturalHeight])"
    )
    assert fits == [["contain", 560, 480]] * 3


def test_views_switch_without_javascript(visitor, reading_url):
    page = visitor.page(scripted=False)
    page.goto(reading_url)
    expect(page.get_by_label("Opacity")).to_be_hidden()
    expect(page.locator(".plain")).to_be_visible()
    page.get_by_label("One picture").check()
    expect(page.locator(".plain")).to_be_hidden()
    expect_opacity(page, "0.6")
    page.get_by_role("checkbox", name="Map").uncheck()
    expect(page.locator(".overlay")).to_be_hidden()


def test_legend_says_what_the_colours_mean(page):
    legend = page.locator(".legend")
    expect(legend).to_contain_text("the same colour is the same evidence on every film")
    expect(legend).to_contain_text("it is not an outline of disease")
    stops = legend.locator("stop").evaluate_all("all => all.map((s) => s.getAttribute('offset'))")
    assert float(stops[0]) == 0
    assert float(stops[-1]) == 1
    assert len(stops) == len(set(stops)) >= 5


def test_bar_carries_the_probability_of_the_reading(page):
    link = page.get_by_role("link", name="This reading as JSON").get_attribute("href")
    answer = page.request.get(urljoin(page.url, link)).json()
    mark = page.locator(".gauge-here").get_attribute("cx")
    assert float(mark.rstrip("%")) == pytest.approx(100 * answer["probability"], abs=0.006)
    assert answer["label"] == "pneumonia"
    expect(page.locator(".figures dd").first).to_have_text(re.compile(r"^([<>] )?\d+ %$"))


def test_normal_finding_shows_one_radiograph_and_no_map(visitor, normal_reading_url):
    page = visitor.page()
    page.goto(normal_reading_url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Normal")
    expect(page.locator(".lightbox img")).to_have_count(1)
    expect(page.get_by_label("Opacity")).to_have_count(0)
    expect(page.get_by_text("No map is drawn for a normal finding.")).to_be_visible()
    page.keyboard.press("o")
    page.keyboard.press("2")
    expect(page.get_by_text("No map is drawn for a normal finding.")).to_be_visible()


def test_paper_gets_both_pictures_and_no_buttons(page):
    page.keyboard.press("2")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator(".plain")).to_be_visible()
    expect(page.locator(".mapped")).to_be_visible()
    expect(page.get_by_text("Not a diagnosis.")).to_be_visible()
    expect(page.get_by_text("For films of drawn chests: not for others.")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.locator("html")).to_have_css("background-color", "rgb(255, 255, 255)")
    ink = page.locator("caption").evaluate("element => getComputedStyle(element).color")
    assert ink == "rgb(23, 27, 31)"


def test_reading_is_deleted_for_good_after_a_second_press(visitor, site, radiograph):
    page = visitor.page(scripted=False)
    page.goto(site)
    page.get_by_label("Chest film, a file").set_input_files(radiograph)
    page.get_by_role("button", name="Read the film").click()
    page.wait_for_url("**/readings/*")
    address = page.url
    delete = page.get_by_role("button", name="Delete for good")
    expect(delete).to_be_hidden()
    page.get_by_text("Delete this reading").click()
    delete.click()
    expect(page.get_by_role("status").first).to_contain_text("deleted")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such reading")
