"""The API's contract: exact keys, types and ranges; one shape for every error."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.analysis.card import read_card
from pneumonia.analysis.finding import ModelRef, Quality
from pneumonia.config import ROOT
from pneumonia.web.services import services

Send = Callable[..., Any]
Problem = Callable[..., str]


def shape(value: Any) -> Any:
    """Keys and exact types: an integer is not a float, a boolean not an integer."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return type(value)


def test_a_reading_has_exactly_the_fields_of_the_contract(
    client: FlaskClient, send: Send, radiograph_png: bytes, tiny_bundle: Path
) -> None:
    response = send(client, radiograph_png)
    assert response.status_code == 201
    assert response.content_type == "application/json"
    body = response.get_json()
    assert shape(body) == {
        "id": str,
        "created_at": str,
        "label": str,
        "probability": float,
        "confidence": float,
        "reference": type(None),
        "synthetic": bool,
        "batch": type(None),
        "population": type(None),
        "population_match": str,
        "population_mismatches": list,
        "etiology": type(None),
        "operating_point": {"name": str, "threshold": float},
        "operating_points": list,
        "model": {"id": str, "sha256": str},
        "intended_use": str,
        "image": {"format": str, "width": int, "height": int, "sha256": str},
        "quality": {"accepted": bool, "warnings": list, "inverted": bool},
        "review": type(None),
        "lungs": list,
        "location": type(None),
        "links": {
            "self": str,
            "page": str,
            "image": str,
            "overlay": str,
            "thumbnail": str,
            "report_pdf": str,
            "reviews": str,
        },
    }
    card = read_card(tiny_bundle)
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert body["model"] == {"id": card.id, "sha256": card.weights_sha256}
    assert body["intended_use"] == card.raw["intended_use"]
    assert body["operating_point"]["threshold"] == card.operating_point.threshold
    assert body["operating_points"] == [
        {"name": name, "threshold": point.threshold, "label": point.label(body["probability"])}
        for name, point in card.operating_points.items()
    ]
    digest = hashlib.sha256(radiograph_png).hexdigest()
    assert body["image"] == {"format": "PNG", "width": 260, "height": 300, "sha256": digest}
    assert body["quality"] == {"accepted": True, "warnings": [], "inverted": False}
    assert body["lungs"] == []  # the tiny bundle has no lung network
    assert body["links"] == {
        "self": f"/api/v1/readings/{body['id']}",
        "page": f"/readings/{body['id']}",
        "image": f"/readings/{body['id']}/image.png",
        "overlay": f"/readings/{body['id']}/overlay.png",
        "thumbnail": f"/readings/{body['id']}/thumbnail.png",
        "report_pdf": f"/api/v1/readings/{body['id']}/report.pdf",
        "reviews": f"/api/v1/readings/{body['id']}/reviews",
    }
    assert response.headers["Location"] == body["links"]["self"]


def test_the_example_in_the_documentation_has_the_fields_of_a_reading(
    client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    example = json.loads(text.partition("```json\n")[2].partition("```")[0])
    body = send(client, radiograph_png).get_json()
    assert shape(example) == shape(body)
    described = set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
    assert set(body) - described == {"id", "created_at"}


def test_the_operating_point_that_decides_can_be_chosen(
    make_app: Any, make_bundle: Any, send: Send, radiograph_png: bytes
) -> None:
    points = {
        "screening": {"threshold": 0.0, "indeterminate": None},
        "balanced": {"threshold": 0.5, "indeterminate": [0.0, 1.0]},
        "confirming": {"threshold": 1.0, "indeterminate": None},
    }
    bundle = make_bundle(operating_points=points)
    client = make_app(bundle=bundle, operating_point="confirming").test_client()
    body = send(client, radiograph_png).get_json()
    assert (body["label"], body["operating_point"]["name"]) == ("normal", "confirming")
    assert [(one["name"], one["label"]) for one in body["operating_points"]] == [
        ("screening", "pneumonia"),
        ("balanced", "indeterminate"),
        ("confirming", "normal"),
    ]
    assert client.get(body["links"]["self"]).get_json() == body


def test_a_reading_of_another_model_knows_its_own_operating_point_only(
    make_app: Any, make_bundle: Any, send: Send, radiograph_png: bytes
) -> None:
    client = make_app().test_client()
    body = send(client, radiograph_png).get_json()
    assert len(body["operating_points"]) == 3
    later = make_app(bundle=make_bundle(0.123)).test_client()
    again = later.get(body["links"]["self"]).get_json()
    assert again["operating_points"] == [body["operating_point"] | {"label": body["label"]}]
    assert later.get(body["links"]["page"]).status_code == 200


def test_what_another_model_was_for_is_not_known(
    app: Flask, client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    store = services(app).store
    kept = store.get(send(client, radiograph_png).get_json()["id"])
    assert "A film does not tell the age." in client.get(f"/readings/{kept.id}").text
    finding = replace(kept.finding, model=ModelRef("tiny", "0" * 64))
    other = replace(kept, id=uuid.uuid4().hex, finding=finding)
    store.add(other, radiograph_png)
    assert client.get(f"/api/v1/readings/{other.id}").get_json()["intended_use"] is None
    assert "A film does not tell the age." not in client.get(f"/readings/{other.id}").text


def test_an_operating_point_that_is_not_there_is_said_when_the_model_loads(
    make_app: Any, send: Send, radiograph_png: bytes, problem: Problem
) -> None:
    app = make_app(operating_point="youden", start=False)
    client = app.test_client()
    assert client.get("/").status_code == 200
    assert services(app).analysis.wait(60) == "failed"
    detail = problem(send(client, radiograph_png), 503, "bad_setting")
    assert detail == (
        "The model 'tiny' has no operating point 'youden'. Choose one of screening, balanced, "
        "confirming with PNEUMONIA_OPERATING_POINT or --operating-point."
    )
    assert "has no operating point &#39;youden&#39;" in client.get("/model").get_data(as_text=True)


def test_the_outline_of_the_lungs_is_told_as_it_was_found(
    app: Flask, client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    store = services(app).store
    kept = store.get(send(client, radiograph_png).get_json()["id"])
    outline = (((0.1, 0.2), (0.4, 0.2), (0.3333, 0.8)),)
    finding = replace(kept.finding, outline=outline, quality=Quality(inverted=True))
    other = replace(kept, id=uuid.uuid4().hex, finding=finding)
    store.add(other, radiograph_png)
    body = client.get(f"/api/v1/readings/{other.id}").get_json()
    assert body["lungs"] == [[[0.1, 0.2], [0.4, 0.2], [0.3333, 0.8]]]
    assert body["quality"] == {"accepted": True, "warnings": [], "inverted": True}


def test_the_time_is_now_in_utc(client: FlaskClient, send: Send, radiograph_png: bytes) -> None:
    text = send(client, radiograph_png).get_json()["created_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    age = datetime.now(UTC) - datetime.fromisoformat(text)
    assert timedelta(0) <= age < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("threshold", "band", "label"),
    [
        (0.0, None, "pneumonia"),
        (1.0, None, "normal"),
        (0.5, [0.0, 1.0], "indeterminate"),
    ],
)
def test_label_and_confidence_follow_the_operating_point(
    make_app: Any,
    make_bundle: Any,
    send: Send,
    radiograph_png: bytes,
    threshold: float,
    band: list[float] | None,
    label: str,
) -> None:
    client = make_app(bundle=make_bundle(threshold, band)).test_client()
    body = send(client, radiograph_png).get_json()
    p = body["probability"]
    assert 0 < p < 1
    expected = {"pneumonia": p, "normal": 1 - p, "indeterminate": max(p, 1 - p)}
    assert body["label"] == label
    assert body["confidence"] == expected[label]


def test_asking_again_gives_the_very_same_body(
    client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    created = send(client, radiograph_png)
    again = client.get(created.headers["Location"])
    assert again.status_code == 200
    assert again.data == created.data


def test_the_same_radiograph_gives_the_same_probability_and_another_id(
    client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    first, second = (send(client, radiograph_png).get_json() for _ in range(2))
    assert first["id"] != second["id"]
    assert second["probability"] == pytest.approx(first["probability"], abs=1e-6)


def test_every_link_answers(client: FlaskClient, send: Send, radiograph_png: bytes) -> None:
    links = send(client, radiograph_png).get_json()["links"]
    found = {name: client.get(link) for name, link in links.items()}
    assert {name: (r.status_code, r.mimetype) for name, r in found.items()} == {
        "self": (200, "application/json"),
        "page": (200, "text/html"),
        "image": (200, "image/png"),
        "overlay": (200, "image/png"),
        "thumbnail": (200, "image/png"),
        "report_pdf": (200, "application/pdf"),
        "reviews": (200, "application/json"),
    }


def test_the_name_of_the_file_means_nothing(
    client: FlaskClient, send: Send, radiograph_png: bytes
) -> None:
    body = send(client, radiograph_png, name="../../patient Ann Other 1950.dcm").get_json()
    assert body["image"]["format"] == "PNG"
    assert b"Ann Other" not in client.get(body["links"]["page"]).data


def test_deleting_takes_the_reading_and_its_pictures_away(
    client: FlaskClient, send: Send, radiograph_png: bytes, problem: Problem
) -> None:
    links = send(client, radiograph_png).get_json()["links"]
    gone = client.delete(links["self"])
    assert (gone.status_code, gone.data) == (204, b"")
    problem(client.get(links["self"]), 404, "reading_not_found")
    problem(client.delete(links["self"]), 404, "reading_not_found")
    assert client.get(links["image"]).status_code == 404


@pytest.mark.parametrize("bad", ["0" * 32, "x", "..", "%2e%2e%2f%2e%2e", "0" * 400])
def test_an_unknown_reading_is_404(client: FlaskClient, problem: Problem, bad: str) -> None:
    response = client.get(f"/api/v1/readings/{bad}")
    code = response.get_json(force=True)["code"]
    problem(response, 404, code)
    assert code in ("reading_not_found", "not_found")


# --- HTTP itself --------------------------------------------------------------------------------


def test_other_methods_are_405_and_say_which_are_not(client: FlaskClient, problem: Problem) -> None:
    response = client.put("/api/v1/readings")
    problem(response, 405, "method_not_allowed")
    assert {m.strip() for m in response.headers["Allow"].split(",")} == {
        "GET",
        "HEAD",
        "POST",
        "OPTIONS",
    }


def test_an_unknown_address_of_the_api_is_a_problem(client: FlaskClient, problem: Problem) -> None:
    problem(client.get("/api/v1/nothing"), 404, "not_found")


def test_uploads_are_limited_together_over_both_doors(
    make_app: Any, send: Send, radiograph_png: bytes, problem: Problem
) -> None:
    client = make_app(rate_limit="2 per hour").test_client()
    assert send(client, radiograph_png).status_code == 201
    assert send(client, b"not an image").status_code == 415
    refused = send(client, radiograph_png)
    problem(refused, 429, "rate_limited")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3601
    other_client = {"REMOTE_ADDR": "127.0.0.7"}
    elsewhere = client.post("/api/v1/readings", environ_base=other_client)
    problem(elsewhere, 400, "no_image")
    assert client.get("/healthz").status_code == 200


def test_a_mistake_of_ours_is_a_500_without_its_insides(
    client: FlaskClient, send: Send, radiograph_png: bytes, problem: Problem, monkeypatch: Any
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the inside story")

    monkeypatch.setattr("pneumonia.web.api.as_json", fail)
    assert "inside story" not in problem(send(client, radiograph_png), 500, "internal_error")
