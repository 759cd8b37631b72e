"""Results as DICOM by the command, the page and the API, where the operator wants them."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.imaging.display import encode_png
from tests.dicom.jane import FILM, film, opened, texts
from tests.running import running


def test_the_command_writes_both_beside_its_rows(tiny_bundle: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "film.dcm").write_bytes(film("jpeg-2000"))
    (films / "nobodys.dcm").write_bytes(film(StudyInstanceUID=""))
    (films / "film.png").write_bytes(encode_png(FILM))
    out = tmp_path / "results"
    with running(tiny_bundle, tmp_path / "var") as app:
        rows = _predict(app, str(films), "--dicom", str(out), "--format", "json")
    made = {path.name for path in out.iterdir()} - {"film.dcm.seg.dcm"}  # where a map is shown
    assert made == {"film.dcm.sc.dcm", "film.dcm.sr.dcm"}
    label = {"PNEUMONIA": "Present", "NORMAL": "Absent", "INDETERMINATE": "Indeterminate"}
    by_name = {Path(row["file"]).name: row for row in rows}
    said = texts(opened((out / "film.dcm.sr.dcm").read_bytes()))
    assert f"Has interpretation = {label[by_name['film.dcm']['label'].upper()]}" in said
    assert by_name["nobodys.dcm"]["error"]["code"] == "damaged_image"
    assert by_name["film.png"]["error"] is None


def _predict(app: Flask, *arguments: str) -> list[dict[str, Any]]:
    result = app.test_cli_runner().invoke(args=["predict", *arguments])
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_the_server_offers_both_where_it_keeps_the_study(tiny_bundle: Path, tmp_path: Path) -> None:
    with running(tiny_bundle, tmp_path, keep_dicom_study=True) as app:
        client = app.test_client()
        body = _send(client, film())
        page = client.get(body["links"]["page"]).get_data(as_text=True)
        for name in ("capture", "report"):
            response = client.get(body["links"][name])
            assert (response.status_code, response.mimetype) == (200, "application/dicom")
            assert response.headers["Cache-Control"] == "private, no-store"
            dataset = opened(response.data)
            assert (str(dataset.PatientName), dataset.StudyID) == ("Doe^Jane", "S-1")
            assert f'href="{body["links"][name]}"' in page
        assert "Doe" not in page
        other = _send(client, encode_png(FILM))
        assert "capture" not in other["links"]
        client.delete(body["links"]["self"])
        assert client.get(body["links"]["report"]).status_code == 404


def test_the_server_keeps_nothing_of_the_patient_unless_told_to(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    with running(tiny_bundle, tmp_path) as app:
        client = app.test_client()
        body = _send(client, film())
        assert "report" not in body["links"]
        response = client.get(body["links"]["page"] + "/report.dcm")
        assert response.status_code == 404
        assert "PNEUMONIA_KEEP_DICOM_STUDY" in response.get_data(as_text=True)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"Doe" not in path.read_bytes(), path


def test_the_setting_is_yes_or_no() -> None:
    name = "PNEUMONIA_KEEP_DICOM_STUDY"
    assert not Settings.from_environ({}).keep_dicom_study
    assert Settings.from_environ({name: "yes"}).keep_dicom_study
    assert not Settings.from_environ({name: "No"}).keep_dicom_study
    with pytest.raises(BadSetting, match=f"{name} is 'maybe'; it must be a plain yes or no"):
        Settings.from_environ({name: "maybe"})


def _send(client: FlaskClient, data: bytes) -> dict[str, Any]:
    response = client.post("/api/v1/readings", data={"image": (io.BytesIO(data), "film.dcm")})
    body: dict[str, Any] = response.get_json(force=True)
    assert response.status_code == 201, body
    return body


@pytest.mark.parametrize(("threshold", "is_marked"), [(0.0, True), (1.0, False)])
def test_a_segmentation_is_offered_where_a_map_is_shown(
    tiny_bundle: Path, tmp_path: Path, threshold: float, is_marked: bool
) -> None:
    """On one site every film is called pneumonia, on the other normal."""
    bundle = tmp_path / "models" / tiny_bundle.name
    shutil.copytree(tiny_bundle, bundle)
    card = json.loads((bundle / "card.json").read_text())
    card["operating_points"]["balanced"] |= {"threshold": threshold, "indeterminate": None}
    (bundle / "card.json").write_text(json.dumps(card))
    with running(bundle, tmp_path / "var", keep_dicom_study=True) as app:
        client = app.test_client()
        body = _send(client, film())
        page = client.get(body["links"]["page"]).get_data(as_text=True)
        path = body["links"]["page"] + "/segmentation.dcm"
        response = client.get(path)
        assert ("segmentation" in body["links"]) == (path in page) == is_marked
        assert response.status_code == (200 if is_marked else 404)
        if is_marked:
            assert opened(response.data).Modality == "SEG"
        else:
            assert "no map is shown of such films" in response.get_data(as_text=True)
