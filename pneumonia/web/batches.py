"""Many films at once: read one after another, gathered on a page that a reload does not lose."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import NotFound

from pneumonia.errors import BadParameter, DomainError, LeftAside, StorageUnavailable
from pneumonia.presentation.describe import show_verdict
from pneumonia.records import Reading, Refusal
from pneumonia.web import problems
from pneumonia.web.contents import Sent, are_many, count_films, sent_films
from pneumonia.web.services import services
from pneumonia.web.uploads import (
    MAX_FILES,
    shorten_name,
    uploaded_age,
    uploaded_files,
    uploaded_image,
    uploaded_name,
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one file that was sent.

    Attributes
    ----------
    name
        The file's, for who sent it; not kept.
    status
        As of an answer to this file alone.
    films
        Of the directory of a disc: the pictures that it lists.
    """

    name: str
    outcome: Reading | Refusal
    status: int = 201
    films: tuple[str, ...] = ()


@blueprint.get("/<batch>")
def show(batch: str) -> str:
    check_batch(batch)
    found = services().batches.find(batch)
    readings = [one for one in found if isinstance(one, Reading)]
    verdicts = [show_verdict(one.finding).value for one in readings]
    return render_template(
        "batch.html",
        batch=batch,
        rows=[_describe(Answer("", one), batch) for one in found],
        refused=len(found) - len(readings),
        counts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
        first=min(readings, key=lambda one: one.created_at, default=None),
        most=MAX_POSITION,
    )


@blueprint.post("/<batch>/<int:position>")
def add(batch: str, position: int) -> tuple[str, int]:
    """One file of a batch, as the page's script sends them; answered by its line of the page.

    An archive is answered by the lines of its films, which take the positions from its own on.
    """
    check_batch(batch)
    files = uploaded_files()
    last = position + count_films(files) - 1
    if not (position >= 1 and last <= MAX_POSITION):
        raise BadParameter(
            f"The position is {last}; a batch has at most {MAX_POSITION} files. Send the others "
            "as another one."
        )
    if are_many(files):
        return "".join(
            _line(one, batch) for one in read_all(files, batch, position, resumes=True)
        ), 201
    name = uploaded_name()
    try:
        _refuse_unsent()
        sent = Sent(name, io.BytesIO(uploaded_image()))
        answer = Answer(name, _read(sent, batch, position, turn=uploaded_turn()))
    except DomainError as error:
        if problems.describe(error).status in _PASSING:
            raise
        answer = _refuse(error, name, batch, position)
    return _line(answer, batch), answer.status


def read_all(
    files: Sequence[FileStorage], batch: str, first: int = 1, *, resumes: bool = False
) -> list[Answer]:
    """Read every file of the form, and all that is in its archives, one after another.

    What the batch has already, because it was sent before and no answer came, is not read again.

    Parameters
    ----------
    first
        The position of the first file in the batch.
    resumes
        Whether who sends them will send them again where the server cannot read for the moment.

    Raises
    ------
    BadParameter
        For more files than are taken at once, or a field that cannot be.
    ModelError
        Where the model does not answer and nothing was read yet, or the sender ``resumes``.
    StorageUnavailable
    """
    count = count_films(files)
    if count > MAX_FILES:
        raise BadParameter(
            f"{count} files were sent; at most {MAX_FILES} are taken at once. Send the others "
            "after these, those of an archive unpacked."
        )
    uploaded_reference()  # a field that cannot be refuses all, before any is read
    uploaded_population()
    uploaded_age()
    there = {_position(one): one for one in services().batches.find(batch)}
    answers = []
    for position, sent in enumerate(sent_films(files), start=first):
        if position in there:
            answers.append(Answer(sent.name, there[position]))
            continue
        try:
            answers.append(Answer(sent.name, _read(sent, batch, position)))
        except StorageUnavailable:
            raise
        except DomainError as error:
            is_passing = problems.describe(error).status in _PASSING
            if is_passing and (resumes or not answers):
                raise  # before anything was read, or to go on from here
            answers.append(_refuse(error, sent.name, batch, position))
    return answers


def _read(sent: Sent, batch: str, position: int, turn: int = 0) -> Reading:
    return services().readings.submit(
        sent.read(),
        uploaded_population(),
        age_years=uploaded_age(),
        turn=turn,
        reference=uploaded_reference(sent.name),
        batch=batch,
        batch_position=position,
    )


def _refuse(error: DomainError, name: str, batch: str, position: int) -> Answer:
    problem = problems.describe(error)
    problems.log_failure(error, problem)
    refusal = Refusal(
        position,
        uploaded_reference(name),
        problem.code,
        problem.title,
        problem.detail,
        problem.turn or 0,
    )
    services().batches.refuse(batch, refusal)
    films = error.films if isinstance(error, LeftAside) else ()
    return Answer(name, refusal, problem.status, films)


def _refuse_unsent() -> None:
    """A file too large to be sent is told of by its size alone. Raises FileTooLarge."""
    size = request.form.get("bytes", "")
    if size.isdecimal() and int(size) > services().settings.max_upload_bytes:
        raise problems.too_large()


def check_batch(batch: str) -> None:
    """Raises NotFound for what is no batch's id."""
    if not _BATCH.fullmatch(batch):
        raise NotFound


def _position(outcome: Reading | Refusal) -> int:
    return outcome.position if isinstance(outcome, Refusal) else outcome.batch_position


def _line(answer: Answer, batch: str) -> str:
    return render_template("parts/batch_line.html", row=_describe(answer, batch))


def _describe(answer: Answer, batch: str) -> dict[str, Any]:
    """A file of the batch as its line shows it."""
    outcome = answer.outcome
    own = {
        "position": _position(outcome),
        "reference": outcome.reference,
        "name": shorten_name(answer.name),
        "films": answer.films,
    }
    if isinstance(outcome, Refusal):
        return own | {"refusal": outcome}
    finding = outcome.finding
    has_picture = services().readings.has_picture(outcome.id)
    return own | {
        "url": url_for("pages.reading", reading_id=outcome.id, batch=batch, sort="oldest"),
        "thumbnail_url": has_picture and url_for("pages.thumbnail", reading_id=outcome.id),
        "shown": show_verdict(finding).value,
        "probability": finding.probability,
        "match": finding.population_match.value,
    }
