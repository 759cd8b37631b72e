"""Calibration: what a probability is worth, and what is gained by leaving out the doubtful."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from train import metrics
from train.estimates import Estimate
from train.evaluate.curves import selective_accuracy
from train.evaluate.predictions import Bools, Floats, Predictions

COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True, slots=True)
class Bin:
    """Radiographs with a probability in (low, high]; the first bin holds 0 too.

    Attributes
    ----------
    predicted, observed
        Mean probability, and share of pneumonias, in [0, 1].
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error and Brier score, and the bins that hold a radiograph.

    A resample has noisier bins than the radiographs themselves, so the interval of the ECE leans
    upwards.
    """

    ece: Estimate
    brier: Estimate
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, predictions: Predictions) -> "Calibration":
        def statistics(truth: Bools, p: Floats) -> Floats:
            return np.array([metrics.expected_calibration_error(truth, p), metrics.brier(truth, p)])

        ece, brier = predictions.estimate(statistics)
        b = metrics.reliability_bins(predictions.truth, predictions.probabilities)
        columns = (b.edges[:-1], b.edges[1:], b.counts, b.predicted, b.observed)
        bins = zip(*(column.tolist() for column in columns), strict=True)
        return cls(ece, brier, tuple(Bin(*one) for one in bins if one[2]))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Accuracy on the n radiographs farthest from the threshold, a share of all of them."""

    coverage: float
    n: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class OutsideBand:
    """Accuracy on the n radiographs outside an operating point's indeterminate band."""

    n: int
    share: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class SelectivePrediction:
    """Accuracy where the doubtful radiographs are left to the reader."""

    coverage: tuple[Coverage, ...]
    outside_band: dict[str, OutsideBand]

    @classmethod
    def of(cls, predictions: Predictions) -> "SelectivePrediction":
        outside = {name: _outside_band(predictions, name) for name in predictions.points}
        return cls(_at_coverages(predictions), outside)


def _at_coverages(predictions: Predictions) -> tuple[Coverage, ...]:
    threshold, n = predictions.operating_point.threshold, len(predictions.files)

    def statistics(truth: Bools, p: Floats) -> Floats:
        accuracy = selective_accuracy(truth, p, threshold)
        return accuracy[[ceil(share * len(p)) - 1 for share in COVERAGES]]

    return tuple(
        Coverage(share, ceil(share * n), accuracy.as_share(ceil(share * n)))
        for share, accuracy in zip(COVERAGES, predictions.estimate(statistics), strict=True)
    )


def _outside_band(predictions: Predictions, name: str) -> OutsideBand:
    point = predictions.points[name]
    low, high = point.indeterminate or (2.0, 2.0)
    certain = (predictions.probabilities < low) | (predictions.probabilities > high)

    def statistics(truth: Bools, p: Floats) -> Floats:
        return np.array([metrics.confusion(truth, p, point.threshold).accuracy])

    (accuracy,) = predictions.estimate(statistics, certain)
    n = int(certain.sum())
    return OutsideBand(n, float(certain.mean()), accuracy.as_share(n))
