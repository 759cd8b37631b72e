"""A reading as DICOM: whose it is, what it says, and whether the standard's checkers take it."""

import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydicom.dataset import Dataset

from pneumonia.analysis.finding import (
    ActivationMap,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    PopulationMatch,
    Quality,
)
from pneumonia.config import Settings
from pneumonia.dicom.results import NOTICE, make_results
from pneumonia.errors import BadSetting, DamagedImage
from pneumonia.imaging.dicom import extract_study
from pneumonia.imaging.display import encode_png
from pneumonia.imaging.preprocess import Geometry
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.readings import DEFAULT_OPACITY, overlay
from tests.dicom_files import SYNTAXES, encode_dicom
from tests.running import running

SHA256 = "ab" * 32
STUDY = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
    "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.2",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.3",
    "StudyDate": "20240229",
    "StudyTime": "235959",
    "StudyID": "S-1",
    "AccessionNumber": "A-17",
    "PatientName": "Doe^Jane",
    "PatientID": "ID-4711",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "ReferringPhysicianName": "Roe^Richard",
    "Modality": "DX",
}
POINT = "operating point balanced: pneumonia from 0.6384, indeterminate from 0.3000 to 0.7000"
FILM = synthetic_radiograph(5, opacity=True, size=(256, 224))
FINDING = Finding(
    label=Label.PNEUMONIA,
    probability=0.8765,
    logit=1.9,
    operating_point=OperatingPoint("balanced", 0.6384, (0.3, 0.7)),
    model=ModelRef("default", SHA256),
    quality=Quality(True, ("The contrast is low.",)),
    activation=ActivationMap(
        np.ones((7, 7), np.float32), 1.0, Geometry(224, 256, (0, 0, 224, 256))
    ),
)


def film(syntax: str = "explicit", **attributes: Any) -> bytes:
    return encode_dicom(FILM, syntax, **(STUDY | attributes))


def opened(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


@pytest.fixture(scope="module")
def capture() -> Dataset:
    return opened(make_results(film(), FILM, FINDING).secondary_capture)


@pytest.fixture(scope="module")
def report() -> Dataset:
    return opened(make_results(film(), FILM, FINDING).report)


def texts(dataset: Dataset) -> list[str]:
    """Every content item of a report, as "name = value"."""
    found = []
    for item in dataset.get("ContentSequence", []):
        name = item.ConceptNameCodeSequence[0].CodeMeaning
        match item.ValueType:
            case "TEXT":
                found.append(f"{name} = {item.TextValue}")
            case "CODE":
                found.append(f"{name} = {item.ConceptCodeSequence[0].CodeMeaning}")
            case "NUM":
                value = item.MeasuredValueSequence[0]
                unit = value.MeasurementUnitsCodeSequence[0].CodeValue
                found.append(f"{name} = {value.NumericValue} {unit}")
        found += texts(item)
    return found


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_both_lie_in_the_films_study_and_name_its_patient(syntax: str) -> None:
    if syntax == "extended":
        pytest.skip("12 bits are another film than this one of 8")
    results = make_results(film(syntax), FILM, FINDING)
    for data in (results.secondary_capture, results.report):
        dataset = opened(data)
        kept = STUDY.keys() - {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality"}
        for name in kept:
            assert str(dataset.get(name)) == STUDY[name], name
        assert dataset.SeriesInstanceUID != STUDY["SeriesInstanceUID"]
        assert dataset.SOPInstanceUID != STUDY["SOPInstanceUID"]


def test_the_secondary_capture_is_the_film_with_the_notice_below(capture: Dataset) -> None:
    pixels = capture.pixel_array
    assert (pixels.shape[1:], pixels.dtype) == ((224, 3), np.uint8)
    np.testing.assert_array_equal(pixels[:256], overlay(FILM, FINDING, DEFAULT_OPACITY))
    assert (pixels[:256, :, 0] != pixels[:256, :, 2]).any()  # the map is in colour
    below = pixels[256:]
    assert 10 < len(below) < 64
    assert below.max() > 150
    assert below[:, -4:].max() == 0  # the text ends before the picture does
    assert list(capture.ImageType) == ["DERIVED", "SECONDARY"]
    assert capture.SeriesDescription == f"Pneumonia map. {NOTICE}"
    assert capture.DerivationDescription == (
        "Made by AI. Not for diagnosis. Pneumonia, probability of pneumonia 88 % "
        "(model default, operating point balanced)."
    )
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == STUDY["SOPInstanceUID"]


@pytest.mark.parametrize(
    "finding",
    [replace(FINDING, label=Label.NORMAL), replace(FINDING, population_match=PopulationMatch.NO)],
    ids=["normal", "outside"],
)
def test_no_map_is_painted_where_the_page_paints_none(finding: Finding) -> None:
    pixels = opened(make_results(film(), FILM, finding).secondary_capture).pixel_array
    for channel in range(3):
        np.testing.assert_array_equal(pixels[:256, :, channel], FILM)


def test_a_film_outside_what_the_model_knows_goes_back_without_a_verdict() -> None:
    reason = "The DICOM file says view LL, lateral; the model knows frontal films."
    finding = replace(
        FINDING,
        population_match=PopulationMatch.NO,
        mismatches=(reason,),
        quality=Quality(True, (reason,)),
    )
    results = make_results(film(), FILM, finding)
    said = texts(opened(results.report))
    assert "Has interpretation = Indeterminate" in said
    assert f"Comment = {reason}" in said
    assert not [line for line in said if line.startswith("Certainty")]
    verdict = "No verdict: the film lies outside what the model knows."
    assert opened(results.secondary_capture).DerivationDescription == f"{NOTICE} {verdict}"


def test_the_same_reading_has_the_same_uids_and_another_has_others() -> None:
    again, other = (
        opened(make_results(film(), FILM, finding).report)
        for finding in (FINDING, replace(FINDING, model=ModelRef("default", "cd" * 32)))
    )
    first = opened(make_results(film("rle"), FILM, FINDING).report)
    for name in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert first[name].value == again[name].value
        assert first[name].value != other[name].value


def test_what_is_kept_of_a_film_makes_the_same_results() -> None:
    for syntax in ("explicit", "implicit", "big", "deflated", "jpeg-2000"):
        kept = extract_study(
            film(syntax, SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎")
        )
        assert len(kept) < 1000
        dataset = opened(make_results(kept, FILM, FINDING).report)
        assert str(dataset.PatientName) == "山田^太郎"
        assert dataset.StudyInstanceUID == STUDY["StudyInstanceUID"]


def test_the_report_says_what_was_found_and_how_sure(report: Dataset) -> None:
    said = texts(report)
    for line in (
        "Finding = Pneumonia",
        "Finding Site = Lung structure",
        "Certainty of Finding = 87.65 %",
        "Has interpretation = Present",
        "Procedure reported = Plain chest X-ray",
        "Algorithm Name = Pneumonia, model default",
        f"Algorithm Version = {SHA256}",
        f"Algorithm Parameters = {POINT}",
        f"Comment = {NOTICE}",
        "Comment = The contrast is low.",
        "Comment = Where the map is hot cannot be said in words: two lungs were not outlined.",
    ):
        assert line in said, line
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    (series,) = evidence.ReferencedSeriesSequence
    assert evidence.StudyInstanceUID == STUDY["StudyInstanceUID"]
    assert series.SeriesInstanceUID == STUDY["SeriesInstanceUID"]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == STUDY["SOPInstanceUID"]


@pytest.mark.parametrize(
    ("label", "word"),
    [
        (Label.PNEUMONIA, "Present"),
        (Label.NORMAL, "Absent"),
        (Label.INDETERMINATE, "Indeterminate"),
    ],
)
def test_each_verdict_has_its_code(label: Label, word: str) -> None:
    data = make_results(film(), FILM, replace(FINDING, label=label)).report
    assert f"Has interpretation = {word}" in texts(opened(data))


def test_the_model_and_its_hash_are_in_the_contributing_equipment(
    capture: Dataset, report: Dataset
) -> None:
    for dataset in (capture, report):
        ours = dataset.ContributingEquipmentSequence[0]
        assert ours.ManufacturerModelName == "default"
        assert SHA256 in ours.SoftwareVersions
        assert ours.ContributionDescription == f"{NOTICE} Weights SHA-256 {SHA256}"


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 192", "山田^太郎"), ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 144", "Люксембург^Роза")],
)
def test_names_keep_their_characters(charset: str, name: str) -> None:
    results = make_results(film(SpecificCharacterSet=charset, PatientName=name), FILM, FINDING)
    for data in (results.secondary_capture, results.report):
        assert str(opened(data).PatientName) == name


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_film_of_no_study_is_refused(missing: str) -> None:
    with pytest.raises(DamagedImage, match=f"has no {missing}: there is no study"):
        make_results(film(**{missing: ""}), FILM, FINDING)


def test_what_the_film_does_not_say_of_the_patient_stays_empty() -> None:
    bare = encode_dicom(FILM, **{name: STUDY[name] for name in STUDY if name.endswith("UID")})
    for data in (lambda r: (r.secondary_capture, r.report))(make_results(bare, FILM, FINDING)):
        dataset = opened(data)
        assert [dataset.PatientBirthDate, dataset.AccessionNumber, dataset.StudyTime] == [""] * 3


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs Debian's dicom3tools")
@pytest.mark.parametrize("kind", ["secondary_capture", "report"])
@pytest.mark.parametrize("orientation", [None, ["L", "F"]])
def test_dciodvfy_finds_no_error(kind: str, orientation: Any, tmp_path: Path) -> None:
    original = film(**({} if orientation is None else {"PatientOrientation": orientation}))
    path = tmp_path / "result.dcm"
    path.write_bytes(getattr(make_results(original, FILM, FINDING), kind))
    run = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    assert run.returncode == 0
    assert {"secondary_capture": "SCImage", "report": "ComprehensiveSR"}[kind] in run.stderr
    assert "Error" not in run.stderr + run.stdout


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="needs dcmtk")
def test_dsrdump_reads_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(make_results(film(), FILM, FINDING).report)
    run = subprocess.run(["dsrdump", path], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert '"Certainty of Finding")="87.65" (%,UCUM,"Percent")' in run.stdout
    assert '"Has interpretation")=(52101004,SCT,"Present")' in run.stdout


def test_the_command_writes_both_beside_its_rows(tiny_bundle: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "film.dcm").write_bytes(film("jpeg-2000"))
    (films / "nobodys.dcm").write_bytes(film(StudyInstanceUID=""))
    (films / "film.png").write_bytes(encode_png(FILM))
    out = tmp_path / "results"
    with running(tiny_bundle, tmp_path / "var") as app:
        rows = _predict(app, str(films), "--dicom", str(out), "--format", "json")
    assert sorted(path.name for path in out.iterdir()) == ["film.dcm.sc.dcm", "film.dcm.sr.dcm"]
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
