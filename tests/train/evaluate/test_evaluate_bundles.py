"""Evaluation by the predictor that serves: of two classes, of three, and uncalibrated ones."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.finding import Finding
from pneumonia.analysis.predictor import Predictor
from pneumonia.imaging import decode
from tests.train.evaluate.builders import reported
from train.data.manifest import Manifest
from train.evaluate import text
from train.evaluate.scoring import score


def one_by_one(predictor: Predictor, manifest: Manifest) -> list[Finding]:
    """Each film read alone."""
    radiographs = [decode(row.path.read_bytes()) for row in manifest.rows]
    return [predictor.read(predictor.examine([radiograph]))[0] for radiograph in radiographs]


def test_the_serving_predictor_gives_the_same_probabilities(
    tiny_bundle: Path, manifest: Manifest
) -> None:
    predictor = Predictor.load(tiny_bundle, "cpu", engine="torch")
    measured = score(predictor, manifest.rows, batch_size=3)
    alone = one_by_one(predictor, manifest)
    assert measured.probabilities == pytest.approx([f.probability for f in alone], abs=1e-5)
    assert measured.model == predictor.model
    assert measured.operating_point == predictor.operating_point
    threshold = predictor.operating_point.threshold
    assert measured.predicted.tolist() == [int(p >= threshold) for p in measured.probabilities]
    assert not any(math.isnan(p) for p in measured.probabilities)
    assert measured.class_probabilities is None


def test_a_bundle_of_three_classes_is_measured_on_them(
    etiology_bundle: Path, manifest: Manifest
) -> None:
    predictor = Predictor.load(etiology_bundle, "cpu", engine="torch")
    measured = score(predictor, manifest.rows, batch_size=2)
    alone = one_by_one(predictor, manifest)
    expected = [finding.class_probabilities for finding in alone]
    assert measured.class_probabilities == pytest.approx(np.array(expected), abs=1e-5)
    classes = reported(measured).metrics()["classes"]
    assert (classes["n"], classes["unknown"]) == (5, 0)
    assert [sum(line) for line in classes["confusion"]] == [3, 1, 1]
    called = measured.class_probabilities.argmax(axis=1)
    assert (
        np.sum(classes["confusion"], axis=0).tolist() == np.bincount(called, minlength=3).tolist()
    )
    assert classes["calibrated"]


def test_causes_that_could_not_be_calibrated_apart_are_measured_by_the_networks_own_softmax(
    etiology_bundle: Path, manifest: Manifest, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(etiology_bundle, tmp_path / etiology_bundle.name))
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"etiology": None}))
    predictor = Predictor.load(copy, "cpu", engine="torch")
    measured = score(predictor, manifest.rows, batch_size=2)
    for i, alone in enumerate(one_by_one(predictor, manifest)):
        share = 1 / (1 + math.exp(-alone.viral_logit))
        p = alone.probability  # calibrated all the same
        expected = (1 - p, p * (1 - share), p * share)
        assert measured.class_probabilities[i] == pytest.approx(expected, abs=1e-5)
    classes = reported(measured).metrics()["classes"]
    assert classes["n"] == 5
    assert not classes["calibrated"]
    assert "could not be calibrated apart" in text.whole(reported(measured))
    calibrated = replace(measured, etiology_calibrated=True)
    assert "calibrated apart" not in text.whole(reported(calibrated))
