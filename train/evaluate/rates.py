"""Figures of an evaluation with their 95 % intervals."""

from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from train import metrics
from train.metrics import Statistics

if TYPE_CHECKING:
    from train.evaluate.evaluation import Evaluation


def rate(value: float, interval: tuple[float, float]) -> dict[str, Any]:
    """A figure and its 95 % interval. JSON has no nan: None stands for it."""
    value_, low, high = (None if isnan(v) else float(v) for v in (value, *interval))
    return {"value": value_, "ci95": [low, high]}


def proportion(successes: int, n: int) -> dict[str, Any]:
    """A share of n films, with Wilson's interval."""
    return rate(successes / n if n else nan, metrics.wilson(successes, n))


def measure_rates(
    evaluation: "Evaluation",
    statistics: Statistics,
    radiographs: NDArray[np.bool_] | None = None,
    scores: NDArray[np.float64] | None = None,
) -> list[dict[str, Any]]:
    """Several figures of the same films, each ``{"value": v, "ci95": [lo, hi]}``.

    The intervals come from resampling patients.

    Parameters
    ----------
    statistics
        ``statistics(truth, scores) -> float64 (k,)``.
    radiographs
        bool (n,): which of the evaluation's films; all unless given.
    scores
        float64 (n,), the probabilities unless given; nan only where ``radiographs`` is False.
    """
    chosen = np.ones(len(evaluation.files), np.bool_) if radiographs is None else radiographs
    truth = evaluation.truth[chosen]
    values = (evaluation.probabilities if scores is None else scores)[chosen]
    patients = np.array(evaluation.patients)[chosen]
    found = statistics(truth, values).tolist()
    intervals = metrics.bootstrap_each(statistics, truth, values, groups=patients)
    return [rate(value, interval) for value, interval in zip(found, intervals, strict=True)]


def as_share(figure: dict[str, Any], n: int) -> dict[str, Any]:
    """The figure as a share of n films: of none or all of them, with Wilson's interval.

    Every resample of films that are all called right is called right too, so the bootstrap would
    give an interval without width, as if a hundred more films could not be called wrong.
    """
    if not n or figure["value"] not in (0.0, 1.0):
        return figure
    return rate(figure["value"], metrics.wilson(round(figure["value"] * n), n))


def measure_mean(
    evaluation: "Evaluation", values: NDArray[np.float64], radiographs: NDArray[np.bool_]
) -> dict[str, Any]:
    """The mean over some films, none of them nan."""
    if not radiographs.any():
        return rate(nan, (nan, nan))
    return measure_rates(evaluation, lambda _, v: np.array([v.mean()]), radiographs, values)[0]
