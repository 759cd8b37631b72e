"""Figures of an evaluation, as they stand in its JSON files."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.estimates import Estimate, estimate, estimate_mean
from train.evaluate.evaluation import Evaluation
from train.metrics import Statistics


def measure_rates(
    evaluation: Evaluation,
    statistics: Statistics,
    radiographs: NDArray[np.bool_] | None = None,
    scores: NDArray[np.float64] | None = None,
) -> list[dict[str, Any]]:
    """Several figures of the same films, each ``{"value": v, "ci95": [lo, hi]}``.

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
    values = (evaluation.probabilities if scores is None else scores)[chosen]
    patients = np.array(evaluation.patients)[chosen]
    found = estimate(statistics, evaluation.truth[chosen], values, patients)
    return [one.as_dict() for one in found]


def as_share(figure: dict[str, Any], n: int) -> dict[str, Any]:
    """The figure as a share of n films; see :meth:`train.estimates.Estimate.as_share`."""
    if figure["value"] is None:
        return figure
    return Estimate(figure["value"], *figure["ci95"]).as_share(n).as_dict()


def measure_mean(
    evaluation: Evaluation, values: NDArray[np.float64], radiographs: NDArray[np.bool_]
) -> dict[str, Any]:
    """The mean over some films, none of them nan."""
    patients = np.array(evaluation.patients)[radiographs]
    return estimate_mean(values[radiographs], patients).as_dict()
