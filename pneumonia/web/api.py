"""The JSON door, ``/api/v1``. Its shapes are fixed; ``docs/api.md`` describes them."""

from typing import Any

from flask import Blueprint, url_for

from pneumonia.records import Reading
from pneumonia.web.calls import find_calls
from pneumonia.web.meaning import find_use
from pneumonia.web.patterns import describe_pattern
from pneumonia.web.present import as_json
from pneumonia.web.served_model import card_of
from pneumonia.web.services import services
from pneumonia.web.uploads import uploaded_image

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.post("/readings")
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    reading = services().readings.submit(uploaded_image())
    location = url_for("api.get", reading_id=reading.id)
    return _body(reading), 201, {"Location": location}


@blueprint.get("/readings/<reading_id>")
def get(reading_id: str) -> dict[str, Any]:
    return _body(services().readings.get(reading_id))


@blueprint.delete("/readings/<reading_id>")
def delete(reading_id: str) -> tuple[str, int]:
    services().readings.delete(reading_id)
    return "", 204


def _body(reading: Reading) -> dict[str, Any]:
    finding = reading.finding
    card = card_of(finding.model)
    pattern = describe_pattern(finding, card)
    return as_json(reading, find_calls(finding, card), find_use(card), pattern)
