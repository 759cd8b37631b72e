"""What is gathered while films pass: heat of each, and each film altered."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.errors import DataError
from pneumonia.imaging.lungs import Lungs
from tests.train.fakes import FakePredictor
from train import perturbations
from train.data.manifest import Row, load
from train.evaluate.maps import HeatProbe, HeatReport
from train.evaluate.perturbed import PerturbationProbe, Perturbations
from train.evaluate.report import as_json
from train.evaluate.scoring import score

SIDE = 224


def left_half() -> Lungs:
    probability = np.zeros((SIDE, SIDE), np.float32)
    probability[:, : SIDE // 2] = 1
    return Lungs(probability)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Row, ...]:
    """Two normals at a grey of 0.2 and 0.3, two pneumonias at 0.7 and 0.8; checkered by 0.3."""
    for name, level in {
        "NORMAL/IM-0001-0001.png": 0.2,
        "NORMAL/IM-0002-0001.png": 0.3,
        "PNEUMONIA/person1_bacteria_1.png": 0.7,
        "PNEUMONIA/person2_virus_1.png": 0.8,
    }.items():
        path = tmp_path / "test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        squares = (np.indices((SIDE, SIDE)) // 16).sum(axis=0) % 2
        grey = np.where(squares, level + 0.15, level - 0.15) * 255
        cv2.imwrite(str(path), np.rint(grey).astype(np.uint8))
    return load(tmp_path).rows


# --- maps ----------------------------------------------------------------------------------------


def test_heat_of_each_radiograph_and_its_mean(rows: tuple[Row, ...]) -> None:
    probe = HeatProbe()
    heat = np.ones((1, 1), np.float32)
    predictions = score(FakePredictor(left_half(), heat), rows, batch_size=3, probes=[probe])
    assert probe.in_lungs == [pytest.approx(0.5)] * 4
    assert probe.lungs == [0.5] * 4
    assert probe.drawn == 0
    probe.in_lungs[2:] = [0.9, 0.7]
    found = as_json(HeatReport.of(predictions, probe))
    assert found["heat_in_lungs"]["value"] == pytest.approx(0.8)
    assert found["heat_in_lungs"]["ci95"] == [pytest.approx(0.7), pytest.approx(0.9)]
    assert found["n"] == 2
    assert found["lungs_share_of_film"]["value"] == 0.5
    assert found["lungs_known"] == 4
    assert found["boxes"] is None


def test_a_missed_pneumonia_counts_among_all_of_them_only(rows: tuple[Row, ...]) -> None:
    probe = HeatProbe()
    predictions = score(FakePredictor(left_half()), rows, probes=[probe])
    missed = replace(predictions, probabilities=np.array([0.1, 0.1, 0.3, 0.9]))
    probe.in_lungs = [0.1, 0.1, 0.4, 0.6]
    found = as_json(HeatReport.of(missed, probe))
    assert (found["n"], found["heat_in_lungs"]["value"]) == (1, pytest.approx(0.6))
    assert found["n_of_all_pneumonias"] == 2
    assert found["heat_in_lungs_of_all_pneumonias"]["value"] == pytest.approx(0.5)


def test_without_lungs_or_heat_nothing_is_claimed(rows: tuple[Row, ...]) -> None:
    nothing = {"value": None, "ci95": [None, None]}
    for lungs, cold in ((None, 0), (left_half(), 2)):
        probe = HeatProbe()
        predictions = score(FakePredictor(lungs), rows, probes=[probe])
        assert all(math.isnan(share) for share in probe.in_lungs)
        found = as_json(HeatReport.of(predictions, probe))
        assert found["heat_in_lungs"] == nothing
        assert found["n"] == 0
        assert found["pneumonias_without_heat"] == cold


def test_boxes_are_pointed_at(rows: tuple[Row, ...]) -> None:
    heat = np.array([[1, 0], [0, 0]], np.float32)
    boxed = [*rows[:2], replace(rows[2], boxes=((0, 0, 112, 112),)), rows[3]]
    probe = HeatProbe()
    predictions = score(FakePredictor(left_half(), heat), boxed, batch_size=3, probes=[probe])
    assert list(probe.pointing) == [2]
    found = as_json(HeatReport.of(predictions, probe))["boxes"]
    assert found["n"] == 1
    assert found["hit"]["value"] == 1
    assert found["hit"]["ci95"][0] == pytest.approx(0.2065, abs=1e-4)  # Wilson's, for 1 of 1
    assert found["share_of_radiograph"]["value"] == 0.25
    assert found["share_of_lungs"]["value"] == 0.5


def test_a_box_off_the_radiograph_is_refused_by_name(rows: tuple[Row, ...]) -> None:
    boxed = replace(rows[2], boxes=((500, 500, 9, 9),))
    with pytest.raises(DataError, match=r"^test/PNEUMONIA/person1_bacteria_1\.png: no pixel of"):
        score(FakePredictor(), [boxed], probes=[HeatProbe()])


# --- altered films -------------------------------------------------------------------------------


def run(predictor: FakePredictor, rows, **perturbations):
    done: list[int] = []
    probe = PerturbationProbe(predictor, perturbations, done.append)
    predictions = score(predictor, rows, batch_size=3, probes=[probe])
    return probe, predictions, done


def test_every_radiograph_is_read_again_altered(rows: tuple[Row, ...]) -> None:
    predictor = FakePredictor(left_half())
    probe, predictions, done = run(predictor, rows, inversion=perturbations.invert, gamma=darken)
    assert probe.probabilities("inversion") == pytest.approx(
        1 - predictions.probabilities, abs=1e-6
    )
    assert probe.probabilities("gamma") == pytest.approx(predictions.probabilities / 2, abs=1e-6)
    assert done == [3, 3, 1, 1]
    # Each batch as it is, then in each of two ways.
    assert predictor.batches == [3, 3, 3, 1, 1, 1]


def darken(radiograph, _lungs, _random):
    return radiograph / np.float32(2)


def flatten(radiograph, _lungs, _random):
    return np.full_like(radiograph, radiograph.mean())


def test_alterations_are_drawn_by_the_files_name(rows: tuple[Row, ...]) -> None:
    probe, predictions, _ = run(FakePredictor(), rows, noise=add_level)
    drawn = [perturbations.generator(row.file, "noise").random() / 10 for row in rows]
    assert probe.probabilities("noise") - predictions.probabilities == pytest.approx(
        drawn, abs=1e-6
    )


def add_level(radiograph, _lungs, random):
    return radiograph + np.float32(random.random() / 10)


def test_what_the_gate_would_refuse_is_scored_and_counted(rows: tuple[Row, ...]) -> None:
    probe, _, _ = run(FakePredictor(), rows, blur=flatten)
    assert probe.refused == {"blur": 4}
    assert not np.isnan(probe.probabilities("blur")).any()


def test_radiographs_without_lungs_are_left_out_of_what_needs_them(rows: tuple[Row, ...]) -> None:
    mask = rows[0].path.with_name("mask.png")
    cv2.imwrite(str(mask), np.full((56, 56), 255, np.uint8))
    predictor = FakePredictor(lungs=None)
    radiographs = [replace(rows[0], mask=mask), *rows[1:]]
    probe, _, done = run(predictor, radiographs, **perturbations.SHORTCUTS)
    covered = probe.probabilities("lungs blacked out")
    assert covered[0] == 0
    assert np.isnan(covered[1:]).all()
    assert sum(done) == 4 * len(perturbations.SHORTCUTS)


def test_the_figures_of_each_alteration(rows: tuple[Row, ...]) -> None:
    predictor = FakePredictor(left_half())
    probe = PerturbationProbe(predictor, perturbations.SHORTCUTS | perturbations.ROBUSTNESS)
    predictions = score(predictor, rows, probes=[probe])
    found = as_json(Perturbations.of(predictions, probe))
    assert list(found["shortcuts"]) == list(perturbations.SHORTCUTS)
    assert list(found["robustness"]) == list(perturbations.ROBUSTNESS)
    turned = found["robustness"]["inversion"]
    assert turned["auroc"]["value"] == 0
    assert turned["sensitivity"]["value"] == 0
    assert turned["specificity"]["value"] == 0
    assert turned["sensitivity"]["ci95"] == [0, pytest.approx(0.6576, abs=1e-4)]  # Wilson, 0 of 2
    # 1 - 2p for p of 0.2, 0.3, 0.7 and 0.8.
    assert turned["median_change"] == pytest.approx(0.5, abs=0.01)
    assert turned["n"] == 4
    blurred = found["robustness"]["blur"]
    assert blurred["auroc"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    assert blurred["median_change"] < 0.01
    assert blurred["what"] == perturbations.WHAT["blur"]
    covered = found["shortcuts"]["lungs blacked out"]
    assert covered["specificity"]["value"] == 1
