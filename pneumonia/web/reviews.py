"""Reviews: taken from the page and the API, and shown by both."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, request, session, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import BadParameter
from pneumonia.presentation.review import describe_review
from pneumonia.records import Opinion, OtherFinding, Review
from pneumonia.web.forms import ReviewForm
from pneumonia.web.pages import render_reading
from pneumonia.web.services import services
from pneumonia.web.visitor import visitor
from pneumonia.web.worklist import find_neighbours

blueprint = Blueprint("reviews", __name__)

_FIELDS = ("opinion", "findings", "note", "reviewer")


@blueprint.post("/readings/<reading_id>/reviews")
def add(reading_id: str) -> BaseResponse | tuple[str, int]:
    """From the reading's page; with what was wrong, the page comes back as it was filled in."""
    reading = services().readings.get(reading_id)
    form = ReviewForm.of_visitor()
    if not form.validate():
        return render_reading(reading, form), 400
    review = _review(form)
    session["reviewer"] = review.reviewer
    services().reviews.add(reading_id, review)
    flash("The review was kept.", "notice")
    neighbours = find_neighbours(reading) or {}
    asked = request.query_string.decode("ascii", "replace")
    here = url_for("pages.reading", reading_id=reading_id) + (f"?{asked}" if asked else "")
    onwards = neighbours.get("next") if request.form.get("then") == "next" else None
    return redirect(onwards or here, 303)


@blueprint.get("/api/v1/readings/<reading_id>/reviews")
def history(reading_id: str) -> dict[str, Any]:
    finding = services().readings.get(reading_id).finding
    reviews = services().reviews.history(reading_id)
    return {"reviews": [describe_review(finding, review) for review in reviews]}


@blueprint.post("/api/v1/readings/<reading_id>/reviews")
def create(reading_id: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    finding = services().readings.get(reading_id).finding
    form = ReviewForm.of_visitor(_sent(), meta={"csrf": False})
    if not form.validate():
        name = next(iter(form.errors))
        raise BadParameter(f"The field {name!r} cannot be taken: {form.errors[name][0]}")
    review = _review(form)
    services().reviews.add(reading_id, review)
    location = url_for("reviews.history", reading_id=reading_id)
    return describe_review(finding, review), 201, {"Location": location}


def _review(form: ReviewForm) -> Review:
    account = visitor().user
    return Review(
        created_at=datetime.now(UTC),
        reviewer=account.name if account is not None else form.reviewer.data.strip(),
        opinion=Opinion(form.opinion.data),
        findings=tuple(OtherFinding(one) for one in form.findings.data or ()),
        note=(form.note.data or "").strip(),
    )


def _sent() -> "MultiDict[str, str]":
    """The fields of a JSON object. Raises BadParameter for what is none, or has others."""
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict):
        raise BadParameter(
            "A review is a JSON object with the fields opinion, findings, note and reviewer; send "
            "it with the content type application/json."
        )
    if unknown := sorted(sent.keys() - set(_FIELDS)):
        raise BadParameter(
            f"There is no field {unknown[0][:40]!r}; there are: {', '.join(_FIELDS)}."
        )
    values = MultiDict(sent)
    if not all(isinstance(value, str) for _, value in values.items(multi=True)):
        raise BadParameter("Every field of a review is text; findings is a list of texts.")
    return values
