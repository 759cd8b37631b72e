"""Many films at once, as JSON: sent with an archive or several files, and looked up again."""

import uuid
from typing import Any

from flask import Blueprint, url_for

from pneumonia.errors import NoImage
from pneumonia.presentation.describe import summarise
from pneumonia.presentation.review import describe_opinion
from pneumonia.records import Reading, Refusal
from pneumonia.web.api import links
from pneumonia.web.batches import Answer, check_batch, read_all
from pneumonia.web.services import services
from pneumonia.web.uploads import FIELD, uploaded_files

blueprint = Blueprint("batch_api", __name__, url_prefix="/api/v1/batches")


@blueprint.post("")
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    files = uploaded_files()
    if not any(file.filename or file.stream.read(1) for file in files):
        raise NoImage(
            f"Send films, or a ZIP archive of films, as multipart/form-data in the field "
            f"{FIELD!r}; several files each in a field of that name (curl: -F {FIELD}=@FILE)."
        )
    batch = uuid.uuid4().hex
    answers = read_all(files, batch)
    location = url_for("batch_api.show", batch=batch)
    return _body(batch, answers), 201, {"Location": location}


@blueprint.get("/<batch>")
def show(batch: str) -> dict[str, Any]:
    check_batch(batch)
    return _body(batch, [Answer("", one) for one in services().batches.find(batch)])


def _body(batch: str, answers: list[Answer]) -> dict[str, Any]:
    return {
        "id": batch,
        "films": [_film(answer) for answer in answers],
        "read": sum(isinstance(answer.outcome, Reading) for answer in answers),
        "refused": sum(isinstance(answer.outcome, Refusal) for answer in answers),
        "links": {
            "self": url_for("batch_api.show", batch=batch),
            "page": url_for("batches.show", batch=batch),
        },
    }


def _film(answer: Answer) -> dict[str, Any]:
    """One file; its name only in the answer to who sent it, because it is not kept."""
    outcome = answer.outcome
    if isinstance(outcome, Refusal):
        return {
            "position": outcome.position,
            "name": answer.name or None,
            "reference": outcome.reference or None,
            "reading": None,
            "error": {"code": outcome.code, "title": outcome.title, "detail": outcome.detail},
        }
    review = describe_opinion(outcome.finding, outcome.opinion)
    return {
        "position": outcome.batch_position,
        "name": answer.name or None,
        "reference": outcome.reference or None,
        "reading": summarise(outcome, review, links(outcome)),
        "error": None,
    }
