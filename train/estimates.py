"""Estimates with 95 % intervals: the one place where figures get theirs.

One rule: a percentile bootstrap over patients (1000 rounds, seed 0), because films of one patient
are not independent; and Wilson's interval for a share that is 0 or 1, where every resample agrees
and the bootstrap would have no width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.monitoring.wilson import wilson
from train import metrics
from train.metrics import Statistics


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; nan where it is not defined."""

    value: float
    low: float
    high: float

    def as_dict(self, digits: int | None = None) -> dict[str, Any]:
        """For JSON, which has no nan: None stands for it."""
        value, low, high = (
            None if isnan(v) else v if digits is None else round(v, digits)
            for v in (float(self.value), float(self.low), float(self.high))
        )
        return {"value": value, "ci95": [low, high]}

    def as_share(self, n: int) -> "Estimate":
        """The figure as a share of n films: of none or all of them, with Wilson's interval."""
        if not n or self.value not in (0.0, 1.0):
            return self
        return Estimate(self.value, *wilson(round(self.value * n), n))


def estimate(
    statistics: Statistics,
    truth: NDArray[np.bool_],
    values: NDArray[np.float64],
    patients: Sequence[str] | NDArray[Any],
) -> list[Estimate]:
    """Several figures of the same films, over the same resamples.

    Parameters
    ----------
    statistics
        ``statistics(truth, values) -> float64 (k,)``.
    patients
        (n,): whose film each is.
    """
    found = statistics(truth, values).tolist()
    intervals = metrics.bootstrap_each(statistics, truth, values, groups=np.asarray(patients))
    return [Estimate(value, *interval) for value, interval in zip(found, intervals, strict=True)]


def estimate_mean(values: NDArray[np.float64], patients: NDArray[Any]) -> Estimate:
    """The mean over some films, none of them nan."""
    if not len(values):
        return Estimate(nan, nan, nan)
    nothing = np.zeros(len(values), np.bool_)
    return estimate(lambda _, v: np.array([v.mean()]), nothing, values, patients)[0]


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of pneumonia against normal at one threshold; see :class:`train.metrics.Confusion`."""

    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    precision: Estimate
    f1: Estimate
    mcc: Estimate


def estimate_rates(
    truth: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: Sequence[str] | NDArray[Any],
    threshold: float,
) -> Rates:
    """The rates at one threshold, with their intervals."""
    names = [field.name for field in fields(Rates)]

    def statistics(truth: NDArray[np.bool_], p: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = metrics.confusion(truth, p, threshold)
        return np.array([getattr(counts, name) for name in names])

    found = Rates(*estimate(statistics, truth, probabilities, patients))
    counts = metrics.confusion(truth, probabilities, threshold)
    return replace(
        found,
        accuracy=found.accuracy.as_share(counts.n),
        sensitivity=found.sensitivity.as_share(counts.tp + counts.fn),
        specificity=found.specificity.as_share(counts.tn + counts.fp),
        precision=found.precision.as_share(counts.tp + counts.fp),
    )


def estimate_errors(
    truth: NDArray[np.bool_],
    called: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    patients: NDArray[Any],
) -> tuple[Estimate, Estimate]:
    """Shares of the pneumonias missed and of the normals called pneumonia; the band calls neither.

    Parameters
    ----------
    called
        (n,): called pneumonia by the threshold.
    answered
        (n,): outside the indeterminate band.
    """
    missed, false_alarms = (
        estimate_mean((answered & wrong)[own].astype(np.float64), patients[own]).as_share(
            int(own.sum())
        )
        for own, wrong in ((truth, ~called), (~truth, called))
    )
    return missed, false_alarms
