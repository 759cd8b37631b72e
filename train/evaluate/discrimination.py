"""Discrimination: how well the probability ranks, and what it decides at each operating point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumonia.analysis.finding import THREE_CLASSES
from train import metrics
from train.estimates import Estimate, Rates, estimate_errors, estimate_rates
from train.evaluate.predictions import Bools, Floats, Predictions
from train.metrics import Confusion


@dataclass(frozen=True, slots=True)
class AtPoint:
    """What is decided at one operating point: the threshold alone decides, also in the band."""

    threshold: float
    indeterminate: tuple[float, float] | None
    confusion: Confusion
    rates: Rates


@dataclass(frozen=True, slots=True)
class Discrimination:
    """Areas under the ROC and the precision-recall curve, and each operating point by name."""

    auroc: Estimate
    auprc: Estimate
    points: dict[str, AtPoint]

    @classmethod
    def of(cls, predictions: Predictions) -> "Discrimination":
        auroc, auprc = predictions.estimate(
            lambda truth, p: np.array([metrics.auroc(truth, p), metrics.auprc(truth, p)])
        )
        truth, p = predictions.truth, predictions.probabilities
        points = {
            name: AtPoint(
                threshold=point.threshold,
                indeterminate=point.indeterminate,
                confusion=metrics.confusion(truth, p, point.threshold),
                rates=estimate_rates(truth, p, predictions.patients, point.threshold),
            )
            for name, point in predictions.points.items()
        }
        return cls(auroc, auprc, points)


@dataclass(frozen=True, slots=True)
class OfEtiology:
    """Predictions on the radiographs of one cause: normal, bacterial or viral.

    Attributes
    ----------
    called_pneumonia
        By operating point, the share called pneumonia: the sensitivity; of the normals
        1 - specificity.
    auroc
        Against the normals; None of the normals themselves.
    """

    n: int
    mean_probability: Estimate
    called_pneumonia: dict[str, Estimate]
    auroc: Estimate | None


def split_by_etiology(predictions: Predictions) -> dict[str, OfEtiology]:
    """Each cause's predictions; empty where the data names no cause of a pneumonia."""
    causes = np.array(predictions.etiologies)
    names = [name for name in THREE_CLASSES if (causes == name).any()]
    if not {"bacterial", "viral"} & set(names):
        return {}
    return {name: _of_etiology(predictions, name, causes == name) for name in names}


def _of_etiology(predictions: Predictions, name: str, chosen: Bools) -> OfEtiology:
    thresholds = [point.threshold for point in predictions.points.values()]

    def statistics(_: Bools, p: Floats) -> Floats:
        return np.array([p.mean(), *(np.mean(p >= threshold) for threshold in thresholds)])

    def auroc(truth: Bools, p: Floats) -> Floats:
        return np.array([metrics.auroc(truth, p)])

    n = int(chosen.sum())
    mean, *called = predictions.estimate(statistics, chosen)
    shares = [share.as_share(n) for share in called]
    with_normals = chosen | ~predictions.truth
    return OfEtiology(
        n=n,
        mean_probability=mean,
        called_pneumonia=dict(zip(predictions.points, shares, strict=True)),
        auroc=None if name == "normal" else predictions.estimate(auroc, with_normals)[0],
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of the radiographs of one source or population, at the operating point in force.

    Where a class is missing, sensitivity or specificity, AUROC and its errors are nan.

    Attributes
    ----------
    answered
        The share outside the indeterminate band.
    missed, false_alarms
        The share of the pneumonias that is called normal outside the band, and of the normals that
        is called pneumonia outside it: what the conformal band promises to bound.
    """

    normal: int
    pneumonia: int
    auroc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ece: Estimate
    answered: Estimate
    missed: Estimate
    false_alarms: Estimate


def split_by_group(predictions: Predictions, names: Sequence[str]) -> dict[str, Group]:
    """Figures by the name of each radiograph's group, the worst first; empty where none has one.

    The worst is the one whose lower of sensitivity and specificity is lowest.
    """
    groups = {name: _of_group(predictions, np.array(names) == name) for name in set(names) - {""}}

    def worst(item: tuple[str, Group]) -> tuple[float, str]:
        name, group = item
        rates = [group.sensitivity.value, group.specificity.value]
        return float(np.nanmin(rates)), name

    return dict(sorted(groups.items(), key=worst))


def _of_group(predictions: Predictions, chosen: Bools) -> Group:
    threshold = predictions.operating_point.threshold

    def statistics(truth: Bools, p: Floats) -> Floats:
        c = metrics.confusion(truth, p, threshold)
        ece = metrics.expected_calibration_error(truth, p)
        return np.array([metrics.auroc(truth, p), c.sensitivity, c.specificity, ece])

    auroc, sensitivity, specificity, ece = predictions.estimate(statistics, chosen)
    answered = ~predictions.indeterminate
    missed, false_alarms = estimate_errors(
        predictions.truth[chosen],
        predictions.probabilities[chosen] >= threshold,
        answered[chosen],
        np.array(predictions.patients)[chosen],
    )
    pneumonia = int(np.sum(chosen & predictions.truth))
    normal = int(chosen.sum()) - pneumonia
    return Group(
        normal=normal,
        pneumonia=pneumonia,
        auroc=auroc,
        sensitivity=sensitivity.as_share(pneumonia),
        specificity=specificity.as_share(normal),
        ece=ece,
        answered=predictions.estimate_mean(answered.astype(np.float64), chosen).as_share(
            normal + pneumonia
        ),
        missed=missed,
        false_alarms=false_alarms,
    )
