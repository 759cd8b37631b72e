"""Many films at once: read one after another, gathered on a page that a reload does not lose."""

import re
import uuid
from typing import Any

from flask import Blueprint, render_template, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import NotFound

from pneumonia.errors import BadParameter, DomainError, StorageUnavailable
from pneumonia.presentation.describe import show_verdict
from pneumonia.records import Reading, Refusal
from pneumonia.web import problems
from pneumonia.web.services import services
from pneumonia.web.uploads import (
    MAX_FILES,
    uploaded_files,
    uploaded_image,
    uploaded_population,
    uploaded_reference,
    uploaded_turn,
)

blueprint = Blueprint("batches", __name__, url_prefix="/batches")

MAX_POSITION = 1000
"""Files of one batch."""
_BATCH = re.compile(r"[0-9a-f]{32}")
# What may be over in a moment: the page's script sends the file again, nothing is kept of it.
_PASSING = (429, 503)


@blueprint.get("/<batch>")
def show(batch: str) -> str:
    _check(batch)
    found = services().batches.find(batch)
    readings = [one for one in found if isinstance(one, Reading)]
    verdicts = [show_verdict(one.finding).value for one in readings]
    return render_template(
        "batch.html",
        batch=batch,
        rows=[_describe(one, batch) for one in found],
        refused=len(found) - len(readings),
        counts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
        first=min(readings, key=lambda one: one.created_at, default=None),
        most=MAX_POSITION,
    )


@blueprint.post("/<batch>/<int:position>")
def add(batch: str, position: int) -> tuple[str, int]:
    """One file of a batch, as the page's script sends them; answered by its line of the page."""
    _check(batch)
    if not 1 <= position <= MAX_POSITION:
        raise BadParameter(
            f"The position is {position}; a batch has at most {MAX_POSITION} files. Send "
            "the others as another one."
        )
    file = next(iter(uploaded_files()), None)
    try:
        _refuse_unsent()
        outcome: Reading | Refusal = _read(
            uploaded_image(), file, batch, position, turn=uploaded_turn()
        )
        status = 201
    except DomainError as error:
        problem = problems.describe(error)
        if problem.status in _PASSING:
            raise
        problems.log_failure(error, problem)
        outcome, status = _refuse(problem, file, batch, position), problem.status
    return render_template("parts/batch_line.html", row=_describe(outcome, batch)), status


def read_all() -> str:
    """Read every file of the form, for a browser without JavaScript; returns the batch's id.

    Raises
    ------
    BadParameter
        For more files than are taken at once, or a field that cannot be.
    StorageUnavailable
    """
    files, batch = uploaded_files(), uuid.uuid4().hex
    if len(files) > MAX_FILES:
        raise BadParameter(
            f"{len(files)} files were sent; at most {MAX_FILES} are taken at once. Send the others "
            "after these."
        )
    for position, file in enumerate(files, start=1):
        uploaded_reference(file)  # a field that cannot be refuses all, before any is read
        try:
            _read(file.stream.read(), file, batch, position)
        except StorageUnavailable:
            raise
        except DomainError as error:
            problem = problems.describe(error)
            problems.log_failure(error, problem)
            _refuse(problem, file, batch, position)
    return batch


def _read(
    data: bytes, file: FileStorage | None, batch: str, position: int, turn: int = 0
) -> Reading:
    return services().readings.submit(
        data,
        uploaded_population(),
        turn=turn,
        reference=uploaded_reference(file),
        batch=batch,
        batch_position=position,
    )


def _refuse(
    problem: problems.Problem, file: FileStorage | None, batch: str, position: int
) -> Refusal:
    refusal = Refusal(
        position,
        uploaded_reference(file),
        problem.code,
        problem.title,
        problem.detail,
        problem.turn or 0,
    )
    services().batches.refuse(batch, refusal)
    return refusal


def _refuse_unsent() -> None:
    """A file too large to be sent is told of by its size alone. Raises FileTooLarge."""
    size = request.form.get("bytes", "")
    if size.isdecimal() and int(size) > services().settings.max_upload_bytes:
        raise problems.too_large()


def _check(batch: str) -> None:
    if not _BATCH.fullmatch(batch):
        raise NotFound


def _describe(outcome: Reading | Refusal, batch: str) -> dict[str, Any]:
    """A file of the batch as its line shows it."""
    if isinstance(outcome, Refusal):
        return {
            "position": outcome.position,
            "reference": outcome.reference,
            "refusal": outcome,
        }
    finding = outcome.finding
    has_picture = services().readings.has_picture(outcome.id)
    return {
        "position": outcome.batch_position,
        "reference": outcome.reference,
        "url": url_for("pages.reading", reading_id=outcome.id, batch=batch, sort="oldest"),
        "thumbnail_url": has_picture and url_for("pages.thumbnail", reading_id=outcome.id),
        "shown": show_verdict(finding).value,
        "probability": finding.probability,
        "match": finding.population_match.value,
    }
