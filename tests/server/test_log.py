"""The log as JSON: one object a line, a request's lines under one id, nothing of a patient."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.serving import start, stop

FILM = encode_png(synthetic_radiograph(11, opacity=True, size=(300, 260)))


def lines_of(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def test_every_line_is_an_object_and_a_request_has_its_fields(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    server = start(tiny_bundle, tmp_path / "var", PNEUMONIA_LOG_FORMAT="json")
    try:
        server.wait("/readyz", 200)
        status, headers, _ = server.ask(
            "GET", '/absent"%0A{}?patient=Doe', None, {"Referer": "Doe"}
        )
        assert status == 404
        server.send(FILM)
        (tmp_path / "var" / "pneumonia.sqlite3").rename(tmp_path / "gone")
        failed = server.ask("GET", "/readyz")
        assert failed[0] == 503
        log = stop(server)
    finally:
        server.process.kill()
    lines = lines_of(log)
    assert "Doe" not in log
    assert all({"timestamp", "level", "logger", "process", "message"} <= set(one) for one in lines)
    requests = [one for one in lines if one["logger"] == "gunicorn.access"]
    (absent,) = (one for one in requests if one["request_id"] == headers["X-Request-ID"])
    assert absent["path"] == '/absent"\n{}'
    assert (absent["method"], absent["status"], absent["client"]) == ("GET", 404, "127.0.0.1")
    same = [one for one in lines if one["request_id"] == failed[1]["X-Request-ID"]]
    assert {one["logger"] for one in same} >= {"gunicorn.access", "pneumonia.records.store"}
    assert any("is ready: OpenVINO on cpu" in one["message"] for one in lines)


def test_as_text_a_request_ends_with_its_id(tiny_bundle: Path, tmp_path: Path) -> None:
    server = start(tiny_bundle, tmp_path / "var")
    try:
        server.wait("/healthz", 200)
        request_id = server.ask("GET", "/healthz")[1]["X-Request-ID"]
        log = stop(server)
    finally:
        server.process.kill()
    (line,) = (line for line in log.splitlines() if line.endswith(request_id))
    assert '"GET /healthz" 200' in line


def test_there_is_no_other_format() -> None:
    with pytest.raises(BadSetting, match="must be one of text, json"):
        Settings(log_format="xml")
    assert "PNEUMONIA_LOG_FORMAT" not in os.environ
