"""The hottest part of the map as a DICOM segmentation: where it lies, and what it says."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from pneumonia.analysis.finding import ActivationMap, Finding, Label, PopulationMatch
from pneumonia.dicom.marks import NOTICE
from pneumonia.dicom.results import make_results
from pneumonia.imaging.dicom import extract_study
from pneumonia.imaging.preprocess import Geometry
from tests.dicom.jane import FILM, FINDING, SHA256, STUDY, film, opened

HEIGHT, WIDTH = FILM.shape


def hot_at(row: int, column: int, height: int = HEIGHT, width: int = WIDTH) -> Finding:
    """A finding whose map of 4 x 4 cells is hot in one of them."""
    values = np.full((4, 4), -1, np.float32)
    values[row, column] = 2
    geometry = Geometry(width, height, (0, 0, width, height))
    return replace(FINDING, activation=ActivationMap(values, 1.0, geometry))


def segmentation(finding: Finding, source: bytes | None = None, picture: Any = FILM) -> Dataset:
    data = make_results(source or film(), picture, finding).segmentation
    assert data is not None
    return opened(data)


def centre(dataset: Dataset) -> tuple[float, float]:
    """Of what is marked: fractions of the height and the width."""
    rows, columns = np.nonzero(dataset.pixel_array)
    return (rows.mean() / dataset.Rows, columns.mean() / dataset.Columns)


def test_it_marks_the_upper_quarter_of_the_map_on_the_films_own_pixels() -> None:
    finding = hot_at(1, 0)
    dataset = segmentation(finding)
    heat = finding.activation.geometry.to_radiograph(finding.activation.values)
    np.testing.assert_array_equal(dataset.pixel_array, heat >= 0.75 * heat.max())
    assert (dataset.Rows, dataset.Columns) == FILM.shape
    assert 0 < dataset.pixel_array.mean() < 0.1
    assert (dataset.BitsAllocated, dataset.SegmentationType) == (1, "BINARY")


def test_it_lies_in_the_study_refers_to_the_film_and_is_marked_as_made_by_ai() -> None:
    dataset = segmentation(hot_at(1, 0))
    for name in ("StudyInstanceUID", "PatientName", "PatientID", "AccessionNumber"):
        assert str(dataset[name].value) == STUDY[name]
    (source,) = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert source.ReferencedSOPInstanceUID == STUDY["SOPInstanceUID"]
    assert dataset.SeriesDescription == f"Hottest quarter of the map. {NOTICE}"
    assert SHA256 in dataset.ContributingEquipmentSequence[0].SoftwareVersions
    (segment,) = dataset.SegmentSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    # Where the map is hot, and not a lesion.
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99PNEUMONIA"
    assert dataset.SOPInstanceUID == segmentation(hot_at(1, 0)).SOPInstanceUID


@pytest.mark.parametrize(
    "finding",
    [
        replace(FINDING, label=Label.NORMAL),
        replace(FINDING, population_match=PopulationMatch.NO),
        replace(
            FINDING,
            activation=ActivationMap(
                np.full((4, 4), -1, np.float32), 1.0, Geometry(WIDTH, HEIGHT, (0, 0, WIDTH, HEIGHT))
            ),
        ),
    ],
    ids=["normal", "outside", "no evidence"],
)
def test_nothing_is_marked_where_the_page_shows_no_heat(finding: Finding) -> None:
    assert make_results(film(), FILM, finding).segmentation is None


def test_on_a_film_that_is_stored_mirrored_it_lies_as_the_film_does() -> None:
    """Read turned round, hot on the left; stored, that is on the right."""
    mirrored = film(PatientOrientation=["R", "F"])
    dataset = segmentation(hot_at(1, 0), mirrored)
    assert centre(dataset)[1] > 0.75
    assert list(dataset.PatientOrientation) == ["R", "F"]
    capture = opened(make_results(mirrored, FILM, hot_at(1, 0)).secondary_capture)
    assert list(capture.PatientOrientation) == ["L", "F"]


@pytest.mark.parametrize(
    ("turn", "expected"), [(90, (0.875, 0.4)), (180, (0.6, 0.875)), (270, (0.125, 0.6))]
)
def test_on_a_film_that_was_turned_it_lies_on_the_pixels_as_stored(
    turn: int, expected: tuple[float, float]
) -> None:
    """Hot at the left above the middle, of the film as it was read: turned clockwise."""
    picture = np.ascontiguousarray(np.rot90(FILM, -turn // 90))
    dataset = segmentation(hot_at(1, 0, *picture.shape), extract_study(film(), turn), picture)
    assert (dataset.Rows, dataset.Columns) == FILM.shape
    assert centre(dataset) == pytest.approx(expected, abs=0.06)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs Debian's dicom3tools")
@pytest.mark.parametrize("orientation", [None, ["L", "F"], ["R", "F"]])
def test_dciodvfy_finds_no_error(orientation: Any, tmp_path: Path) -> None:
    original = film(**({} if orientation is None else {"PatientOrientation": orientation}))
    path = tmp_path / "seg.dcm"
    path.write_bytes(make_results(original, FILM, hot_at(1, 0)).segmentation or b"")
    run = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    assert "Segmentation" in run.stderr
    assert "Error" not in run.stderr + run.stdout


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="needs dcmtk")
def test_dcmtk_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "seg.dcm"
    path.write_bytes(make_results(film(), FILM, hot_at(1, 0)).segmentation or b"")
    run = subprocess.run(["dcmdump", path], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "[BINARY]" in run.stdout
