"""Bacterial or viral: where it is said, in which words, and that it is said nowhere else."""

import html
import json
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from pneumonia.analysis.finding import EtiologyFinding, ModelRef
from pneumonia.config import ROOT
from pneumonia.web.services import services

Send = Callable[..., Any]
CAUTION = (
    "Unreliable: on the validation films the etiology was right for 61 of 85 pneumonias. "
    "Do not choose treatment by it."
)


@pytest.fixture
def three(etiology_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the bundle that tells the two apart, ``balanced`` at another threshold."""

    def make(threshold: float, band: list[float] | None = None, **changes: Any) -> Path:
        folder = tmp_path / "models" / etiology_bundle.name
        shutil.copytree(etiology_bundle, folder)
        card = json.loads((folder / "card.json").read_text())
        card["operating_points"]["balanced"] = {"threshold": threshold, "indeterminate": band}
        (folder / "card.json").write_text(json.dumps(card | changes))
        return folder

    return make


def words(client: FlaskClient, reading_id: str) -> str:
    """The text of a reading's page."""
    text = re.sub(r"<[^>]+>", " ", client.get(f"/readings/{reading_id}").text)
    return re.sub(r"\s+", " ", html.unescape(text))


def test_under_a_pneumonia_verdict_page_and_api_say_it_alike(
    make_app: Any, three: Any, send: Send, radiograph_png: bytes
) -> None:
    client = make_app(bundle=three(0.0)).test_client()
    body = send(client, radiograph_png).get_json()
    etiology = body["etiology"]
    assert list(etiology) == ["label", "confidence", "caution"]
    assert etiology["label"] in ("bacterial", "viral")
    assert 0.5 <= etiology["confidence"] < 1
    assert etiology["caution"] == CAUTION
    share = round(100 * etiology["confidence"])
    text = words(client, body["id"])
    assert f"Etiology: more like {etiology['label']} , {share} % confidence {CAUTION}" in text
    assert f"{etiology['label']} with {etiology['confidence']:.4f} where it is pneumonia" in text
    assert client.get(body["links"]["self"]).get_json() == body


@pytest.mark.parametrize(
    ("threshold", "band", "label"),
    [(1.0, None, "normal"), (0.5, [0.0, 1.0], "indeterminate")],
)
def test_under_another_verdict_nothing_is_said_but_it_is_kept(
    make_app: Any,
    three: Any,
    send: Send,
    radiograph_png: bytes,
    threshold: Any,
    band: Any,
    label: str,
) -> None:
    app = make_app(bundle=three(threshold, band))
    client = app.test_client()
    body = send(client, radiograph_png).get_json()
    assert (body["label"], body["etiology"]) == (label, None)
    assert services(app).store.get(body["id"]).finding.etiology is not None
    text = words(client, body["id"])
    for word in ("Pattern", "bacterial", "viral", "Unreliable"):
        assert word not in text


@pytest.mark.parametrize("without", ["one output", "a card without it"])
def test_a_model_that_does_not_tell_them_apart_says_nothing(
    make_app: Any, make_bundle: Any, three: Any, send: Send, radiograph_png: bytes, without: str
) -> None:
    bundle = make_bundle(0.0) if without == "one output" else three(0.0, etiology=None)
    client = make_app(bundle=bundle).test_client()
    body = send(client, radiograph_png).get_json()
    assert (body["label"], body["etiology"]) == ("pneumonia", None)
    assert "Unreliable" not in words(client, body["id"])
    assert "Bacterial or viral" not in client.get("/model").text


def test_the_reading_of_a_model_no_longer_served_keeps_a_caution(
    make_app: Any, three: Any, send: Send, radiograph_png: bytes
) -> None:
    app = make_app(bundle=three(0.0))
    client, store = app.test_client(), services(app).store
    kept = store.get(send(client, radiograph_png).get_json()["id"])
    finding = replace(
        kept.finding, model=ModelRef("three", "0" * 64), etiology=EtiologyFinding.of(0.25)
    )
    other = replace(kept, id=uuid.uuid4().hex, finding=finding)
    store.add(other, radiograph_png)
    assert client.get(f"/api/v1/readings/{other.id}").get_json()["etiology"] == {
        "label": "bacterial",
        "confidence": 0.75,
        "caution": "Unreliable: how often the etiology is right is not known of a model that is no "
        "longer served. Do not choose treatment by it.",
    }


def test_the_model_page_shows_how_well_it_went(make_app: Any, etiology_bundle: Path) -> None:
    client = make_app(bundle=etiology_bundle, start=False).test_client()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get("/model").text))
    for shown in (
        "Bacterial or viral Under a pneumonia verdict it says which of the two",
        "right for 61 of 85 pneumonias: do not choose treatment by it.",
        "Accuracy: pneumonias whose cause was told rightly 0.718 0.614 to 0.802",
        "AUROC: how well it ranks viral above bacterial (0.5 is chance) 0.761 0.654 to 0.856",
    ):
        assert shown in text, shown


def test_the_command_line_says_it_too(
    make_app: Any, three: Any, radiograph_png: bytes, tmp_path: Path
) -> None:
    radiograph = tmp_path / "film.png"
    radiograph.write_bytes(radiograph_png)
    runner = make_app(bundle=three(0.0), start=False).test_cli_runner()
    (row,) = json.loads(runner.invoke(args=["predict", "--format", "json", str(radiograph)]).stdout)
    assert row["etiology"].keys() == {"label", "confidence", "caution"}
    assert row["etiology"]["caution"] == CAUTION
    table = runner.invoke(args=["predict", str(radiograph)]).stdout
    assert f"{row['etiology']['label']} {round(100 * row['etiology']['confidence'])} %" in table
    assert f"\netiology: {CAUTION}\n" in table


def test_the_documentation_shows_a_pattern_as_it_is(
    make_app: Any, three: Any, send: Send, radiograph_png: bytes
) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = text.partition("### Bacterial or viral")[2]
    example = json.loads(section.partition("```json\n")[2].partition("```")[0])
    client = make_app(bundle=three(0.0)).test_client()
    body = send(client, radiograph_png).get_json()
    assert {k: type(v) for k, v in example.items()} == {
        k: type(v) for k, v in body["etiology"].items()
    }
    assert example["caution"] == body["etiology"]["caution"]
