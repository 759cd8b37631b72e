"""The JSON door, ``/api/v1``. Its shapes are fixed; ``docs/api.md`` describes them."""

from typing import Any

from flask import Blueprint, request, url_for

from pneumonia.errors import BadParameter
from pneumonia.presentation.calls import find_calls
from pneumonia.presentation.describe import as_json, summarise
from pneumonia.presentation.etiology import describe_etiology
from pneumonia.presentation.location import describe_location
from pneumonia.presentation.meaning import find_use
from pneumonia.presentation.review import describe_opinion
from pneumonia.readings import marks_region
from pneumonia.records import Place, Reading
from pneumonia.web.filters import FilterForm, place
from pneumonia.web.served_model import card_of
from pneumonia.web.services import services
from pneumonia.web.uploads import (
    uploaded_age,
    uploaded_image,
    uploaded_population,
    uploaded_reference,
    uploaded_turn,
)

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
"""Readings in one answer."""


@blueprint.post("/readings")
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    reading = services().readings.submit(
        uploaded_image(),
        uploaded_population(),
        age_years=uploaded_age(),
        turn=uploaded_turn(),
        reference=uploaded_reference(),
    )
    location = url_for("api.get", reading_id=reading.id)
    return _body(reading), 201, {"Location": location}


@blueprint.get("/readings")
def find() -> dict[str, Any]:
    """A page of the worklist, by the same filters."""
    form = FilterForm(request.args)
    if unknown := sorted(request.args.keys() - {*form.data, "after", "before", "limit"}):
        raise BadParameter(
            f"There is no filter {unknown[0][:40]!r}; there are: {', '.join(form.data)}."
        )
    query = form.query()
    limit = _limit()
    page = services().worklist.page(
        query, after=place("after", query.sort), before=place("before", query.sort), limit=limit
    )

    def address(name: str, there: Place | None) -> str | None:
        return url_for("api.find", **form.kept | {"limit": limit, name: there}) if there else None

    return {
        "readings": [
            summarise(reading, describe_opinion(reading.finding, reading.opinion), links(reading))
            for reading in page.readings
        ],
        "total": services().worklist.count(query),
        "links": {
            "previous": address("before", page.previous),
            "next": address("after", page.next),
        },
    }


@blueprint.get("/readings/<reading_id>")
def get(reading_id: str) -> dict[str, Any]:
    return _body(services().readings.get(reading_id))


@blueprint.delete("/readings/<reading_id>")
def delete(reading_id: str) -> tuple[str, int]:
    services().readings.delete(reading_id)
    return "", 204


def _limit() -> int:
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise BadParameter(
            f"limit is {text[:40]!r}; it must be a whole number from 1 to {MAX_LIMIT}."
        )
    return int(text)


def _body(reading: Reading) -> dict[str, Any]:
    finding = reading.finding
    card = card_of(finding.model)
    etiology = describe_etiology(finding, card)
    location = describe_location(finding)
    calls = find_calls(finding, card)
    review = describe_opinion(finding, reading.opinion)
    return as_json(reading, calls, find_use(card), etiology, location, review, links(reading))


def links(reading: Reading) -> dict[str, str]:
    """Paths, not full addresses: they hold behind any proxy."""
    found = {
        "self": url_for("api.get", reading_id=reading.id),
        "page": url_for("pages.reading", reading_id=reading.id),
        "image": url_for("pages.image", reading_id=reading.id),
        "overlay": url_for("pages.overlay", reading_id=reading.id),
        "thumbnail": url_for("pages.thumbnail", reading_id=reading.id),
        "report_pdf": url_for("reports.program", reading_id=reading.id),
        "reviews": url_for("reviews.history", reading_id=reading.id),
    }
    if reading.study:
        found |= {
            "capture": url_for("results.capture", reading_id=reading.id),
            "report": url_for("results.report", reading_id=reading.id),
        }
        if marks_region(reading.finding):
            found["segmentation"] = url_for("results.segmentation", reading_id=reading.id)
    return found
