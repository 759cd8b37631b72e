"""Predictions and reports without a network."""

from dataclasses import replace
from math import nan

import numpy as np

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from tests.train.fakes import FakePredictor
from train import perturbations
from train.evaluate.maps import HeatProbe
from train.evaluate.perturbed import PerturbationProbe, Perturbations
from train.evaluate.predictions import Predictions, Source
from train.evaluate.report import EvaluationReport

POINTS = {
    "screening": OperatingPoint("screening", 0.3, (0.2, 0.4)),
    "balanced": OperatingPoint("balanced", 0.5, (0.45, 0.55)),
    "confirming": OperatingPoint("confirming", 0.8),
}
N = 90


def some_predictions() -> Predictions:
    """90 films of 45 patients: a third each normal, bacterial and viral; errors of both kinds."""
    rng = np.random.default_rng(3)
    labels = (np.arange(N) % 3 > 0).astype(np.int64)
    probabilities = 0.1 * labels + 0.9 * rng.random(N)
    return Predictions(
        files=tuple(f"test/{i}.jpeg" for i in range(N)),
        patients=tuple(f"patient {i // 2}" for i in range(N)),
        labels=labels,
        probabilities=probabilities,
        logits=np.zeros(N),
        indeterminate=(probabilities >= 0.45) & (probabilities <= 0.55),
        operating_point=POINTS["balanced"],
        operating_points=POINTS,
        etiologies=tuple(("normal", "bacterial", "viral")[i % 3] for i in range(N)),
        model=ModelRef("tiny", "ab" * 32),
        source=Source("films", "test", "cd" * 32),
    )


def by_hand() -> Predictions:
    """Eleven films of eleven patients. Rows are what they are, columns what they are called::

                normal  bacterial  viral
    normal         2        1        0
    bacterial      0        3        1
    viral          1        1        1     and one pneumonia of unknown cause
    """
    radiographs = [
        ("normal", 0.1, 0.5), ("normal", 0.2, 0.5), ("normal", 0.9, 0.1),
        ("bacterial", 0.9, 0.2), ("bacterial", 0.8, 0.1), ("bacterial", 1.0, 0.4),
        ("bacterial", 0.9, 0.9),
        ("viral", 0.2, 0.9), ("viral", 0.9, 0.3), ("viral", 0.9, 0.8),
        ("", 0.7, 0.6),
    ]  # fmt: skip
    causes, p, viral = zip(*radiographs, strict=True)
    return Predictions(
        files=tuple(f"{i}.png" for i in range(11)),
        patients=tuple(f"patient {i}" for i in range(11)),
        labels=np.array([cause != "normal" for cause in causes], np.int64),
        probabilities=np.array(p),
        logits=np.zeros(11),
        indeterminate=np.zeros(11, np.bool_),
        operating_point=OperatingPoint("balanced", 0.5),
        model=ModelRef("three", "ab" * 32),
        viral=np.array(viral),
        etiologies=causes,
    )


def some_heat(n: int = N) -> HeatProbe:
    return HeatProbe(in_lungs=[0.75] * n, lungs=[0.25] * n, drawn=n)


def reported(predictions: Predictions) -> EvaluationReport:
    """A quick report, the lungs of no radiograph known."""
    unknown = [nan] * len(predictions.files)
    return EvaluationReport.of(predictions, HeatProbe(unknown, unknown), quick=True)


def whole_report() -> EvaluationReport:
    """As if every perturbation pulled the probabilities half-way to one half."""
    predictions = some_predictions()
    probe = PerturbationProbe(FakePredictor(), perturbations.SHORTCUTS | perturbations.ROBUSTNESS)
    for found in probe._found.values():
        found += (predictions.probabilities / 2 + 0.25).tolist()
    report = EvaluationReport.of(predictions, some_heat(), quick=False)
    return replace(report, perturbations=Perturbations.of(predictions, probe))
