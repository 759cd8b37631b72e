"""The etiology under a pneumonia verdict: readable everywhere, on paper too, quieter than it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import _read, serve
from tests.browser.test_every_page import CONTRASTS, overflow

CAUTION = "right for 61 of 85 pneumonias. Do not choose treatment by it."


@pytest.fixture(scope="module")
def told_url(
    browser: Browser,
    etiology_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
    radiograph: Path,
) -> Iterator[str]:
    """A reading called pneumonia by a model that tells bacterial from viral."""
    with serve(etiology_bundle, tmp_path_factory.mktemp("told"), 0.0) as address:
        yield _read(browser, address, radiograph)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_its_text_stands_out_from_its_ground(visitor, told_url, theme):
    page = visitor.page(theme=theme)
    page.goto(told_url)
    found = page.evaluate(CONTRASTS)
    assert any("Unreliable" in text for text, _, _ in found)
    assert [entry for entry in found if entry[1] < entry[2]] == []


@pytest.mark.parametrize("width", [360, 640, 1920])
def test_it_stays_in_the_window_with_its_caution_right_under_it(visitor, told_url, width):
    page = visitor.page(size=(width, 800))
    page.goto(told_url)
    assert overflow(page) == 0
    line, doubt = (page.locator(f".etiology p >> nth={i}").bounding_box() for i in (0, 1))
    assert -12 < doubt["y"] - (line["y"] + line["height"]) < 12


def test_it_is_smaller_than_the_verdict_and_comes_after_it(visitor, told_url):
    page = visitor.page()
    page.goto(told_url)
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    verdict, etiology = page.get_by_role("heading", level=1), page.locator(".etiology")
    assert etiology.evaluate(size) < verdict.evaluate(size) / 2
    assert etiology.bounding_box()["y"] > verdict.bounding_box()["y"]
    expect(etiology).to_contain_text("Etiology: more like")
    expect(etiology).to_contain_text(CAUTION)


def test_it_is_on_paper_with_its_caution(visitor, told_url):
    page = visitor.page()
    page.goto(told_url)
    page.emulate_media(media="print")
    expect(page.get_by_text("Etiology: more like")).to_be_visible()
    expect(page.get_by_text(CAUTION)).to_be_visible()


def test_a_model_without_it_has_no_room_for_it(visitor, reading_url):
    page = visitor.page()
    page.goto(reading_url)
    expect(page.locator(".etiology")).to_have_count(0)
