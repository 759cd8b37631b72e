"""What a person sees of whose film it is, which film it is, and where its map is hot."""

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.analysis.test_calibration import POPULATIONS
from tests.browser.conftest import serve
from tests.browser.test_every_page import CONTRASTS, overflow
from tests.browser.test_uploading import hand_over


@pytest.fixture(scope="module")
def asking_site(tiny_bundle, tmp_path_factory):
    """Here the card tells children from adults."""
    with serve(
        tiny_bundle, tmp_path_factory.mktemp("asking"), 0.0, populations=POPULATIONS
    ) as address:
        yield address


@pytest.fixture(scope="module")
def shipped_site(shipped_bundle, tmp_path_factory):
    """The bundle that ships: it knows how a film lies."""
    with serve(shipped_bundle, tmp_path_factory.mktemp("shipped"), 0.5) as address:
        yield address


@pytest.mark.parametrize("kind", ["drop", "paste", "button"])
def test_the_answer_goes_with_every_way_of_uploading(visitor, asking_site, radiograph, kind):
    page = visitor.page()
    page.goto(asking_site)
    page.get_by_label("Neither").check()
    if kind == "button":
        page.get_by_label("Chest film, a file").set_input_files(radiograph)
        page.get_by_role("button", name="Read the film").click()
    else:
        hand_over(page, kind, radiograph)
    page.wait_for_url("**/readings/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Outside what this model knows")
    page.goto(asking_site)
    expect(page.get_by_label("Neither")).to_be_checked()
    expect(page.get_by_text("Kept from your last upload")).to_be_visible()


def test_the_question_is_answered_by_the_arrow_keys(visitor, asking_site):
    page = visitor.page()
    page.goto(asking_site)
    page.get_by_label("Not stated").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Neither")).to_be_checked()
    box = page.locator(".choices label", has_text="Neither")
    expect(box).to_have_css("outline-style", "solid")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_outside_the_number_is_to_be_had_on_demand(visitor, asking_site, radiograph, theme):
    page = visitor.page(theme=theme)
    page.goto(asking_site)
    page.get_by_label("Neither").check()
    hand_over(page, "drop", radiograph)
    page.wait_for_url("**/readings/*")
    number = page.locator(".figures")
    expect(number).to_be_hidden()
    page.get_by_text("Show what it answered all the same").click()
    expect(number).to_be_visible()
    assert [entry for entry in page.evaluate(CONTRASTS) if entry[1] < entry[2]] == []


def test_what_was_not_stated_is_as_large_as_the_verdict(visitor, asking_site, radiograph):
    page = visitor.page()
    page.goto(asking_site)
    hand_over(page, "drop", radiograph)
    page.wait_for_url("**/readings/*")
    size = "element => getComputedStyle(element).fontSize"
    verdict = page.get_by_role("heading", level=1)
    assert page.get_by_text("Patient not stated").evaluate(size) == verdict.evaluate(size)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_question_stays_in_the_window(visitor, asking_site, width):
    page = visitor.page(size=(width, 800))
    page.goto(asking_site)
    assert overflow(page) == 0


def test_the_films_base_is_above_the_fold_under_a_warning(visitor, asking_site, tmp_path):
    film = tmp_path / "small.png"
    # Small: a warning. And upright, as films are.
    film.write_bytes(encode_png(synthetic_radiograph(7, opacity=True, size=(210, 200))))
    page = visitor.page(size=(1280, 800))
    page.goto(asking_site)
    hand_over(page, "drop", film)
    page.wait_for_url("**/readings/*")
    expect(page.get_by_role("heading", name="About this film")).to_have_count(1)
    notice = page.get_by_role("contentinfo").bounding_box()["y"]
    for image in page.locator(".stack img").all():
        box = image.bounding_box()
        assert box["y"] + box["height"] <= notice


def lay(film: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(film, np.uint8), cv2.IMREAD_GRAYSCALE)
    return encode_png(np.ascontiguousarray(np.rot90(pixels)))


def test_a_turned_film_is_turned_by_one_button(visitor, shipped_site, tmp_path):
    page = visitor.page()
    page.goto(shipped_site)
    film = tmp_path / "lying.png"
    film.write_bytes(lay(page.request.get(f"{shipped_site}/samples/clear-1.png").body()))
    page.get_by_label("Your reference").fill("MK 1187")
    hand_over(page, "drop", film)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The film does not lie upright")
    expect(alert).to_contain_text("MK 1187, lying.png")
    expect(page).to_have_url(f"{shipped_site}/")
    page.get_by_role("button", name="Turn it and read").click()
    page.wait_for_url("**/readings/*")
    expect(page.get_by_text("was turned by 90 degrees clockwise before reading")).to_be_visible()
    expect(page.locator(".which")).to_contain_text("MK 1187")


def test_a_turned_film_is_turned_without_javascript(visitor, shipped_site, tmp_path):
    page = visitor.page(scripted=False)
    page.goto(shipped_site)
    film = tmp_path / "lying.png"
    film.write_bytes(lay(page.request.get(f"{shipped_site}/samples/clear-1.png").body()))
    page.get_by_label("Chest film, a file").set_input_files(film)
    page.get_by_role("button", name="Read the film").click()
    expect(page.get_by_role("alert")).to_contain_text("The film does not lie upright")
    # The turn it needs is chosen in the form.
    page.get_by_label("Chest film, a file").set_input_files(film)
    page.get_by_role("button", name="Read the film").click()
    page.wait_for_url("**/readings/*")
    expect(page.get_by_text("was turned by 90 degrees clockwise before reading")).to_be_visible()


def test_where_the_map_is_hot_is_said_in_words(visitor, outlined_url):
    page = visitor.page()
    page.goto(outlined_url)
    expect(page.locator(".location")).to_contain_text("The map is hot")
    expect(page.locator(".facts")).to_contain_text("Right and left are the patient's")


def test_the_notice_comes_first_on_paper_and_there_is_room_to_sign(visitor, reading_url):
    page = visitor.page()
    page.goto(reading_url)
    expect(page.get_by_text("Date and signature")).to_be_hidden()
    page.emulate_media(media="print")
    top = page.locator(".notice").bounding_box()["y"]
    assert top < page.get_by_role("banner").bounding_box()["y"]
    for line in ("Patient", "Reader", "Date and signature"):
        expect(page.locator(".signing dt").get_by_text(line, exact=True)).to_be_visible()
    assert page.pdf().startswith(b"%PDF")


def test_a_map_that_is_off_takes_its_legend_with_it(visitor, reading_url):
    page = visitor.page()
    page.goto(reading_url)
    expect(page.locator(".legend")).to_be_visible()
    page.get_by_role("checkbox", name="Map").uncheck()
    expect(page.locator(".legend")).to_be_hidden()


def test_a_picture_that_does_not_come_says_so(visitor, reading_url):
    page = visitor.page()
    page.route("**/image.png", lambda route: route.fulfill(status=404, body=""))
    page.goto(reading_url)
    expect(page.get_by_text("The film could not be loaded.").first).to_be_visible()


def test_from_right_to_left_nothing_runs_out_and_the_words_change_sides(visitor, reading_url):
    page = visitor.page(size=(1280, 800))
    page.goto(reading_url)
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert overflow(page) == 0
    verdict, film = (page.locator(s).bounding_box()["x"] for s in (".verdict", ".viewer"))
    assert verdict < film


def test_forced_colours_keep_the_choice_visible(visitor, asking_site):
    page = visitor.page()
    page.emulate_media(forced_colors="active")
    page.goto(asking_site)
    chosen = page.locator(".choices label:has(:checked)")
    expect(chosen).to_have_css("outline-style", "solid")
