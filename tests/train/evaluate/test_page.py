"""The page of the evidence report: whole in itself, readable without sight, safe with any name."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests.train.evaluate.test_evidence import N, some_evaluation, some_heat, some_stress
from tests.train.evaluate.test_per_class import by_hand
from train.evaluate import evidence
from train.evaluate.evaluation import Refusal
from train.evaluate.exhibits import Exhibit
from train.evaluate.maps import HeatProbe
from train.evaluate.page import charts, document, markup

PICTURE = "data:image/jpeg;base64,AAAA"


class Outline(HTMLParser):
    """Collects tags, attributes, headings and text; complains of what is not closed."""

    VOID = ("meta", "img", "link", "br", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and re.fullmatch("h[1-6]", self._open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def close(self) -> None:
        super().close()
        assert self._open == []

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    outline.close()
    return outline


def exhibit(file: str = "test/0.jpeg", **changes: Any) -> Exhibit:
    one = Exhibit(file, "normal", 0.987, False, PICTURE, PICTURE)
    return replace(one, **changes)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    measured = some_evaluation()
    return evidence.measure(measured, some_heat(), some_stress(measured))


@pytest.fixture(scope="module")
def page(found: dict[str, Any]) -> str:
    return document.render(some_evaluation(), found, [exhibit(), exhibit("test/1.jpeg")])


def test_the_page_needs_nothing_else(page: str) -> None:
    outline = read(page)
    assert outline.all("script") == []
    assert outline.all("link") == []
    addresses = [
        value
        for _, attributes in outline.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action")
    ]
    assert addresses
    assert all(a and a.startswith(("#", "data:image/")) for a in addresses)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "http" not in page


def test_headings_links_and_tables_can_be_walked(page: str) -> None:
    outline = read(page)
    assert [level for level, _ in outline.headings] == [1] + [2] * 11
    assert outline.headings[0][1] == "Evidence: tiny on films, test"
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"] for link in outline.all("a")]
    assert len(links) == 11
    assert {str(link)[1:] for link in links} <= set(ids)
    named = [a["aria-labelledby"] for _, a in outline.tags if "aria-labelledby" in a]
    assert set(named) <= set(ids)
    assert len(outline.all("caption")) == len(outline.all("table")) > 8
    assert all(th.get("scope") in ("row", "col") for th in outline.all("th"))
    assert all(image["alt"] for image in outline.all("img"))
    assert all(
        svg.get("aria-label") or svg.get("aria-hidden") == "true" for svg in outline.all("svg")
    )


def test_the_figures_are_on_the_page(page: str, found: dict[str, Any]) -> None:
    text = read(page).text
    auroc = found["discrimination"]["auroc"]
    assert f"{auroc['value']:.4f} {auroc['ci95'][0]:.4f} to {auroc['ci95'][1]:.4f}" in text
    mcc = found["discrimination"]["points"]["confirming"]["mcc"]
    assert f"{mcc['value']:.3f} {mcc['ci95'][0]:.3f} to {mcc['ci95'][1]:.3f}" in text
    covered = found["stress"]["shortcuts"]["lungs blacked out"]["auroc"]
    assert f"{covered['value']:.3f}" in text
    assert "90 films of 45 patients: 30 normal, 60 with pneumonia." in text
    assert "normal, called pneumonia, probability 0.987" in text
    assert "flask evaluate --data films --split test --model tiny" in text
    assert f"{found['data']['digest']}" in text


def test_light_dark_and_print_are_provided_for(page: str) -> None:
    assert "color-scheme: light dark;" in page
    assert "@media print" in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert page.startswith('<!doctype html>\n<html lang="en">')


def test_a_file_name_cannot_write_html(found: dict[str, Any]) -> None:
    evil = '<script>alert("x")</script>&.png'
    measured = replace(
        some_evaluation(),
        refused_by_gate=(Refusal(evil, "film_too_flat", "<b>The image is blank.</b>"),),
    )
    listed = found | {"refused_by_gate": [{"file": evil, "code": "x", "reason": "<b>blank</b>"}]}
    page = document.render(measured, listed, [exhibit(evil, refusal="<i>too flat</i>")])
    outline = read(page)
    assert outline.all("script") == []
    assert outline.all("b") == outline.all("i") == []
    assert outline.text.count(evil) == 2
    assert f"{evil}; the gate would refuse it: <i>too flat</i>" in outline.text


def test_what_was_not_measured_is_said() -> None:
    measured = replace(some_evaluation(), etiologies=("",) * N)
    heat = some_heat()
    heat.lungs = heat.in_lungs = [np.nan] * N
    quick = evidence.measure(measured, heat, None)
    outline = read(document.render(measured, quick, []))
    assert "The films were not altered in this run: it was made with --quick." in outline.text
    assert "does not say which pneumonias are bacterial and which viral" in outline.text
    assert "where the maps are hot was not measured" in outline.text
    assert "No film was called wrong at balanced." in outline.text
    assert "Heat in the lungs–the lungs are not known" in outline.text
    links = {link["href"] for link in outline.all("a")}
    assert links <= {f"#{a['id']}" for _, a in outline.tags if "id" in a}


def test_three_classes_have_a_section_of_their_own() -> None:
    measured = by_hand()
    heat = HeatProbe([0.75] * 11, [0.25] * 11, 11)
    page = document.render(measured, evidence.measure(measured, heat, None), [])
    outline = read(page)
    assert (2, "Three classes") in outline.headings
    assert {"href": "#classes"} in outline.all("a")
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert re.search(r"viral 3 0[.]500 0[.]\d{3} to [01][.]\d{3} 0[.]333 ", words)
    assert "Called normal Called bacterial Called viral normal 2 1 0 bacterial 0 3 1" in words
    assert "Left out: 1 film of unknown cause." in outline.text
    assert "10 films whose class is known are counted." in outline.text


def test_two_classes_have_none(page: str) -> None:
    assert "Three classes" not in page
    assert "#classes" not in page


def test_three_classes_without_causes_are_said_not_to_be_measured() -> None:
    measured = replace(by_hand(), etiologies=())
    heat = HeatProbe([0.75] * 11, [0.25] * 11, 11)
    text = read(document.render(measured, evidence.measure(measured, heat, None), [])).text
    assert "but the data does not say which is which: that was not measured." in text


def test_one_class_has_no_curve_but_a_page() -> None:
    measured = replace(some_evaluation(), labels=np.zeros(N, np.int64))
    found = evidence.measure(measured, some_heat(), None)
    text = read(document.render(measured, found, [])).text
    assert "Films of one class only: there is no ROC curve." in text
    assert "No film shows pneumonia: there is no precision-recall curve." in text


def test_a_long_list_is_folded_a_short_one_open(found: dict[str, Any]) -> None:
    for n, is_open in ((20, True), (21, False)):
        radiographs = [{"file": f"{i}", "label": "normal", "probability": 0.5} for i in range(n)]
        page = document.render(some_evaluation(), found | {"indeterminate": radiographs}, [])
        assert read(page).all("details") == [{"open": None} if is_open else {}]
        assert f"({n})" in page


# --- charts --------------------------------------------------------------------------------------


def test_a_panel_puts_values_where_they_belong() -> None:
    panel = charts.Panel(50, 10, 200, 100, (0, 1), (0.8, 1))
    assert panel.at(0, 0.8) == (50, 110)
    assert panel.at(1, 1) == (250, 10)
    assert panel.at(0.5, 0.9) == pytest.approx((150, 60))
    panel.marker(0.5, 0.5, "circle")  # below the panel
    assert panel.parts == []
    panel.marker(0.5, 0.9, "circle")
    assert 'cx="150.0" cy="60.0"' in panel.parts[0]


def test_a_line_is_cut_off_where_its_panel_ends() -> None:
    panel = charts.Panel(50, 10, 200, 100, (0, 1), (0, 1))
    panel.line(np.array([[0, 0], [0.5, 0.9], [1, 1]]))
    root = ET.fromstring(charts.picture([panel], 150, "ROC & more"))
    assert root.attrib["aria-label"] == "ROC & more"
    (inner,) = root
    assert inner.attrib["viewBox"] == "48 8 204 104"
    assert [inner.attrib[name] for name in ("x", "y", "width", "height")] == [
        *("48", "8", "204", "104"),
    ]
    assert inner[0].attrib == {"class": "curve", "d": "M50.0 110.0L150.0 20.0L250.0 10.0"}


def test_a_staircase_keeps_its_corners_only() -> None:
    steps = np.array([[0, 0], [0, 0.1], [0, 0.2], [0.5, 0.2], [1, 0.2], [1, 1]])
    assert charts.corners(steps).tolist() == [[0, 0], [0, 0.2], [1, 0.2], [1, 1]]


def test_a_strip_shows_the_interval_on_a_fixed_scale() -> None:
    strip = charts.interval_strip({"value": 0.7, "ci95": [0.4, 1.0]}, 0.4, 1.0, 0.5)
    assert 'cx="60.0"' in strip
    assert "M4.0 6H116.0" in strip
    below = charts.interval_strip({"value": 0.1, "ci95": [0.0, 0.2]}, 0.4, 1.0, 0.5)
    assert 'cx="4.0"' in below
    assert charts.interval_strip({"value": None, "ci95": [None, None]}, 0.4, 1.0, 0.5) == ""


def test_figures_are_written_with_their_interval() -> None:
    assert markup.rate({"value": 0.98765, "ci95": [0.5, 1.0]}) == (
        "0.988 <small>0.500 to 1.000</small>"
    )
    assert markup.rate({"value": None, "ci95": [None, None]}) == "–"
    assert markup.percent(0.12345) == "12.3 %"
    assert markup.count(1, "film") == "1 film"
    assert markup.html("<a>") == "&lt;a&gt;"
    assert markup.html(markup.Markup("<a>")) == "<a>"
