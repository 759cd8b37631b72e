"""Reports on paper: one as PDF, by both doors, and many as a ZIP."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, Response, make_response, stream_with_context

from pneumonia.errors import BadParameter, DomainError, RadiographMissing
from pneumonia.presentation.report import write_report
from pneumonia.readings import DEFAULT_OPACITY, overlay
from pneumonia.records import Reading
from pneumonia.records.audit_chain import Action
from pneumonia.web.served_model import card_of
from pneumonia.web.services import services

blueprint = Blueprint("reports", __name__)

MOST = 200
"""Reports in one ZIP."""


@blueprint.get("/readings/<reading_id>/report.pdf")
def page(reading_id: str) -> Response:
    return _report(reading_id)


@blueprint.get("/api/v1/readings/<reading_id>/report.pdf")
def program(reading_id: str) -> Response:
    return _report(reading_id)


def _report(reading_id: str) -> Response:
    pdf = make_report(services().readings.get(reading_id))
    services().audit.note(Action.EXPORT, "report", reading_id=reading_id)
    response = make_response(pdf)
    response.mimetype = "application/pdf"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Disposition"] = f'inline; filename="{reading_id}-report.pdf"'
    return response


def make_report(reading: Reading) -> bytes:
    """The report as PDF; where the film is gone, without its pictures."""
    from pneumonia.presentation.pdf import make_pdf  # slow to import, and not asked for at first

    finding = reading.finding
    report = write_report(reading, card_of(finding.model), services().reviews.history(reading.id))
    try:
        with services().readings.radiograph(reading.id) as film:
            mapped = [overlay(film, finding, DEFAULT_OPACITY)] if report.has_map else []
            return make_pdf(report, [film, *mapped])
    except RadiographMissing:
        return make_pdf(report, [])


def send_zip(readings: Sequence[Reading]) -> Response:
    """Their reports in one file, each made when it is its turn, so that many need no room.

    Raises BadParameter for more than :data:`MOST`.
    """
    if len(readings) > MOST:
        raise BadParameter(
            f"{len(readings)} readings are ticked; at most {MOST} reports are put into one file. "
            "Tick fewer, and do the rest after them."
        )
    services().audit.note(Action.EXPORT, f"reports, {len(readings)} readings")
    response = Response(stream_with_context(_zip(readings)), mimetype="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="reports.zip"'
    return response


class _Pieces(io.RawIOBase):
    """What zipfile writes, until it is sent on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _zip(readings: Sequence[Reading]) -> Iterator[bytes]:
    pieces, failed = _Pieces(), []
    with zipfile.ZipFile(pieces, "w") as file:  # not packed: a PDF is packed already
        for reading in readings:
            try:
                pdf = make_report(reading)
            except DomainError as error:  # the answer has begun: say it where it is looked for
                failed.append(f"{reading.id}: {error.title}. {error.detail}\n")
                continue
            file.writestr(f"{reading.created_at:%Y%m%dT%H%M%S}-{reading.id}.pdf", pdf)
            yield pieces.take()
        if failed:
            file.writestr("not-written.txt", "".join(failed))
    yield pieces.take()
