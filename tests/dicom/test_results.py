"""A reading as DICOM: whose it is, what it says, and whether the standard's checkers take it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from pneumonia.analysis.finding import (
    Finding,
    Label,
    ModelRef,
    PopulationMatch,
    Quality,
)
from pneumonia.dicom.results import NOTICE, make_results
from pneumonia.errors import DamagedImage
from pneumonia.imaging.dicom import extract_study
from pneumonia.readings import DEFAULT_OPACITY, overlay
from tests.dicom.jane import FILM, FINDING, POINT, SHA256, STUDY, film, opened, texts
from tests.dicom_files import SYNTAXES, encode_dicom


@pytest.fixture(scope="module")
def capture() -> Dataset:
    return opened(make_results(film(), FILM, FINDING).secondary_capture)


@pytest.fixture(scope="module")
def report() -> Dataset:
    return opened(make_results(film(), FILM, FINDING).report)


@pytest.mark.parametrize("syntax", [name for name in SYNTAXES if name != "extended"])  # of 12 bits
def test_both_lie_in_the_films_study_and_name_its_patient(syntax: str) -> None:
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
