"""Populations that are calibrated apart: by age, by what was said, and where nothing is known."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.card import read_card
from pneumonia.analysis.finding import OperatingPoint
from pneumonia.analysis.population_match import find_contradictions
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DamagedBundle
from pneumonia.imaging import Radiograph
from pneumonia.imaging.radiograph import Facts
from pneumonia.imaging.synthetic import synthetic_radiograph

POINTS = ("screening", "balanced", "confirming")


def population(low: int, high: int, bias: float, threshold: float) -> dict:
    return {
        "population": {
            "text": f"people of {low} to {high}",
            "age_years": [low, high],
            "body_part": "CHEST",
            "views": ["PA"],
        },
        "calibration": {"temperature": 2.0, "bias": bias, "frequency": []},
        "operating_points": {n: {"threshold": threshold, "indeterminate": None} for n in POINTS},
    }


POPULATIONS = {"child": population(1, 5, 3.0, 0.3), "adult": population(16, 120, -3.0, 0.7)}


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / tiny_bundle.name))
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"populations": POPULATIONS}))
    return folder


def radiograph(**facts) -> Radiograph:
    pixels = synthetic_radiograph(3, opacity=True, size=(200, 260)).astype(np.float32) / 255
    return dataclasses.replace(Radiograph(pixels, "PNG", 8, (0, 255), ""), facts=Facts(**facts))


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"age_years": 3.0}, "child"),
        ({"age_years": 5.9}, "child"),
        ({"age_years": 61.0}, "adult"),
        ({"population": "adult"}, "adult"),
        ({"population": "child", "age_years": 61.0}, "adult"),
        ({"age_years": 9.0}, ""),
        ({"age_years": 9.0, "population": "child"}, ""),
        ({}, ""),
    ],
)
def test_each_is_read_by_the_calibration_of_its_population(bundle: Path, facts, used) -> None:
    predictor = Predictor.load(bundle, "cpu", engine="torch")
    (finding,) = predictor.predict([radiograph(**facts)])
    own = predictor.card.calibration_of(used)
    assert finding.population == used
    assert finding.probability == own.probability(finding.logit)
    assert finding.operating_point == own.operating_points["balanced"]
    if used:
        bias, threshold = {"child": (3.0, 0.3), "adult": (-3.0, 0.7)}[used]
        assert own.bias == bias
        assert finding.operating_point == OperatingPoint("balanced", threshold)


def test_an_age_between_the_populations_is_told_and_not_repeated(bundle: Path) -> None:
    predictor = Predictor.load(bundle, "cpu", engine="torch")
    notes = find_contradictions(predictor.card, Facts(age_years=9.0))
    assert "calibrated on patients of 1 to 5 and 16 to 120 years" in notes[-1]
    assert "9" not in notes[-1]


def test_the_age_in_the_file_counts_before_what_was_said(bundle: Path) -> None:
    predictor = Predictor.load(bundle, "cpu", engine="torch")
    (note,) = find_contradictions(predictor.card, Facts(age_years=61.0, population="child"))
    assert note.startswith("The film was said to be of the group child; by the age in the DICOM")


def test_populations_have_the_same_operating_points_as_the_card(bundle: Path) -> None:
    card = json.loads((bundle / "card.json").read_text())
    del card["populations"]["adult"]["operating_points"]["screening"]
    (bundle / "card.json").write_text(json.dumps(card))
    with pytest.raises(DamagedBundle, match="adult has other operating points"):
        read_card(bundle)
