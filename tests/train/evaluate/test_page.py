"""The page of the evidence report: whole in itself, readable without sight, safe with any name."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests.train.evaluate.builders import (
    N,
    by_hand,
    reported,
    some_predictions,
    whole_report,
)
from train.evaluate import page as pages
from train.evaluate.exhibits import Exhibit
from train.evaluate.predictions import Refusal
from train.evaluate.report import EvaluationReport, Scored

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
    one = Exhibit(Scored(file, "normal", 0.987, False), PICTURE, PICTURE)
    return replace(one, **changes)


def render(report: EvaluationReport, exhibits: Sequence[Exhibit] = ()) -> str:
    charts = dict.fromkeys(("roc", "precision-recall", "reliability", "coverage"), b"<svg/>")
    return pages.render(report, exhibits, charts)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return whole_report()


@pytest.fixture(scope="module")
def page(report: EvaluationReport) -> str:
    return render(report, [exhibit(), exhibit("test/1.jpeg")])


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


def test_the_figures_are_on_the_page(page: str, report: EvaluationReport) -> None:
    text = read(page).text
    auroc = report.discrimination.auroc
    assert f"{auroc.value:.4f} {auroc.low:.4f} to {auroc.high:.4f}" in text
    mcc = report.discrimination.points["confirming"].rates.mcc
    assert f"{mcc.value:.3f} {mcc.low:.3f} to {mcc.high:.3f}" in text
    covered = report.perturbations.shortcuts["lungs blacked out"].auroc
    assert f"AUROC without lungs{covered.value:.3f}" in text.replace("\n", "")
    assert "90 films of 45 patients: 30 normal, 60 with pneumonia." in text
    assert "normal, called pneumonia, probability 0.987" in text
    assert "flask evaluate --data films --split test --model tiny" in text
    assert report.predictions.source.digest in text


def test_the_plots_stand_in_the_page(page: str) -> None:
    pictures = [image["src"] for image in read(page).all("img")]
    drawn = "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    assert pictures.count(drawn) == 4


def test_light_dark_and_print_are_provided_for(page: str) -> None:
    assert "color-scheme: light dark;" in page
    assert "@media print" in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert page.startswith('<!doctype html>\n<html lang="en">')


def test_a_file_name_cannot_write_html() -> None:
    evil = '<script>alert("x")</script>&.png'
    refusal = Refusal(evil, "film_too_flat", "<b>The image is blank.</b>")
    listed = reported(replace(some_predictions(), refused_by_gate=(refusal,)))
    outline = read(render(listed, [exhibit(evil, refusal="<i>too flat</i>")]))
    assert outline.all("script") == []
    assert outline.all("b") == outline.all("i") == []
    assert outline.text.count(evil) == 2
    assert f"{evil}; the gate would refuse it: <i>too flat</i>" in outline.text


def test_what_was_not_measured_is_said() -> None:
    quick = reported(replace(some_predictions(), etiologies=("",) * N))
    outline = read(render(quick))
    assert "The films were not altered in this run: it was made with --quick." in outline.text
    assert "does not say which pneumonias are bacterial and which viral" in outline.text
    assert "where the maps are hot was not measured" in outline.text
    assert "No film was called wrong at balanced." in outline.text
    assert "Heat in the lungs–the lungs are not known" in outline.text
    links = {link["href"] for link in outline.all("a")}
    assert links <= {f"#{a['id']}" for _, a in outline.tags if "id" in a}


def test_three_classes_have_a_section_of_their_own() -> None:
    page = render(reported(by_hand()))
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
    text = read(render(reported(replace(by_hand(), etiologies=())))).text
    assert "but the data does not say which is which: that was not measured." in text


def test_one_class_has_a_page() -> None:
    text = read(render(reported(replace(some_predictions(), labels=np.zeros(N, np.int64))))).text
    assert "AUROC–ranks a pneumonia above a normal" in text


def test_a_long_list_is_folded_a_short_one_open() -> None:
    for n, is_open in ((20, True), (21, False)):
        doubtful = replace(some_predictions(), indeterminate=np.arange(N) < n)
        page = render(reported(doubtful))
        assert read(page).all("details") == [{"open": None} if is_open else {}]
        assert f"({n})" in page
