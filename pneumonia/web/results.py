"""Results as DICOM, for the study that a film belongs to."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, make_response

from pneumonia.errors import StudyNotKept
from pneumonia.records.audit_chain import Action
from pneumonia.web.services import services

if TYPE_CHECKING:  # it imports pydicom
    from pneumonia.dicom.results import Results

blueprint = Blueprint("results", __name__, url_prefix="/readings/<reading_id>")


@blueprint.get("/capture.dcm")
def capture(reading_id: str) -> Response:
    return _dicom(reading_id, "capture", _results(reading_id).secondary_capture)


@blueprint.get("/report.dcm")
def report(reading_id: str) -> Response:
    return _dicom(reading_id, "report", _results(reading_id).report)


@blueprint.get("/segmentation.dcm")
def segmentation(reading_id: str) -> Response:
    data = _results(reading_id).segmentation
    if data is None:
        raise StudyNotKept(
            "No part of this film is marked: it is called normal, or lies outside what the model "
            "knows, and no map is shown of such films."
        )
    return _dicom(reading_id, "segmentation", data)


def _results(reading_id: str) -> "Results":
    found = services().readings.get(reading_id)
    if not found.study:
        raise StudyNotKept(
            "Nothing is known of the study that this film belongs to: it was no DICOM file, or "
            "this server did not keep it (PNEUMONIA_KEEP_DICOM_STUDY)."
        )
    from pneumonia.dicom.results import make_results  # slow to import, and rarely asked for

    with services().readings.radiograph(reading_id) as film:
        return make_results(found.study, film, found.finding)


def _dicom(reading_id: str, kind: str, data: bytes) -> Response:
    services().audit.note(Action.EXPORT, kind, reading_id=reading_id)
    response = make_response(data)
    response.mimetype = "application/dicom"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Disposition"] = f'attachment; filename="{reading_id}-{kind}.dcm"'
    return response
