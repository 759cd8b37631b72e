"""The JSON door, ``/api/v1``. Its shapes are fixed; ``docs/api.md`` describes them."""

from typing import Any

from flask import Blueprint, url_for

from pneumonia.web.present import as_json
from pneumonia.web.services import services
from pneumonia.web.uploads import uploaded_image

api = Blueprint("api", __name__, url_prefix="/api/v1")


@api.post("/readings")
def create() -> tuple[dict[str, Any], int, dict[str, str]]:
    own = services()
    reading = own.readings.submit(uploaded_image(own.settings.max_upload_bytes))
    location = url_for("api.get", id=reading.id)
    return as_json(reading), 201, {"Location": location}


@api.get("/readings/<id>")
def get(id: str) -> dict[str, Any]:
    return as_json(services().readings.get(id))


@api.delete("/readings/<id>")
def delete(id: str) -> tuple[str, int]:
    services().readings.delete(id)
    return "", 204
