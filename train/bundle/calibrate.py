"""Logits on validation -> probabilities, and what they are worth. Numpy, nothing else."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import OperatingPoint
from pneumonia.errors import RunError
from train import metrics
from train.estimates import estimate, estimate_rates

GROUP_SIZE = 30  # films of about the same probability: enough to count, few enough to be alike


class NothingLearntError(RunError):
    """A network whose output does not rise with the label: no calibration fits it."""

    code = "nothing_learnt"
    title = "The network has learnt nothing"


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """Probability of pneumonia = sigmoid((logit + bias) / temperature)."""

    temperature: float
    bias: float

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (logits + self.bias) / self.temperature)))

    def logit(self, probability: float) -> float:
        """The raw logit that becomes a probability; finite for 0 and 1 too."""
        p = min(max(probability, 1e-12), 1 - 1e-12)
        return float(np.log(p / (1 - p)) * self.temperature - self.bias)


def fit_calibration(
    labels: NDArray[np.bool_],
    logits: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> PlattScaling:
    """Temperature and bias by maximum likelihood, with Platt's smoothed targets.

    Focal loss with alpha shifts the logits, so a temperature alone (Guo et al. 2017) cannot do.
    Platt's targets (N+ + 1)/(N+ + 2) and 1/(N- + 2) keep the fit finite when the classes separate.

    Parameters
    ----------
    labels, logits
        (n,), True = pneumonia.
    weights
        (n,), how much each film counts; 1 unless given.

    Raises
    ------
    NothingLearntError
        When the logits do not rise with the label, so that no positive temperature fits.

    Source: Platt 1999, "Probabilistic outputs for support vector machines"; Lin et al. 2007.
    """
    counts = np.ones(len(labels)) if weights is None else weights
    positive, negative = counts[labels].sum(), counts[~labels].sum()
    targets = np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))
    scale, shift = 1.0, 0.0
    for _ in range(100):  # Newton's method on a convex function of two numbers
        p = 1 / (1 + np.exp(-np.clip(scale * logits + shift, -500, 500)))
        residual = counts * (p - targets)
        gradient = np.array([(residual * logits).sum(), residual.sum()])
        w = counts * (p * (1 - p) + 1e-12)
        cross = (w * logits).sum()
        hessian = np.array([[(w * logits**2).sum(), cross], [cross, w.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        step /= max(1.0, float(np.abs(step).max()))  # at most 1 at a time: no overshoot
        scale, shift = scale - step[0], shift - step[1]
        if np.abs(step).max() < 1e-10:
            break
    if scale <= 0:
        raise NothingLearntError(
            "The network has learnt nothing: on the validation films its output does not rise with "
            "the label, so it cannot be calibrated. Train for longer, or look at the data's labels."
        )
    return PlattScaling(temperature=1 / scale, bias=shift / scale)


def count_frequency(
    labels: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> list[dict[str, float]]:
    """How often films of about one probability show pneumonia, for the card.

    The films in order of their probability, cut into groups of equal count: 30 films in each, or
    a few more. None where there are fewer than 30 films.

    Returns
    -------
    Rising groups of ``low`` and ``high`` (the probabilities of their first and last film, in
    [0, 1]), ``n`` and ``pneumonia`` (counts of films).
    """
    order = np.argsort(probabilities, kind="stable")
    p, truth = probabilities[order], labels[order]
    ends = np.rint(np.linspace(0, len(p), len(p) // GROUP_SIZE + 1)).astype(int)
    return [
        {
            "low": float(p[begin]),
            "high": float(p[end - 1]),
            "n": int(end - begin),
            "pneumonia": int(truth[begin:end].sum()),
        }
        for begin, end in pairwise(ends)
    ]


def choose_full_scale(
    labels: NDArray[np.bool_], maps: NDArray[np.float32], percentile: float = 99.0
) -> float:
    """Evidence painted at full heat: a high percentile of the positive cells on pneumonia films.

    Parameters
    ----------
    maps
        float32 (n, h, w), in logits.
    """
    cells = maps[labels]
    cells = cells[cells > 0]
    return float(np.percentile(cells, percentile)) if len(cells) else 1.0


def summarise(
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: list[str],
    point: OperatingPoint,
) -> dict[str, object]:
    """The validation figures of the card at one operating point; see :mod:`train.estimates`."""

    def statistics(y: NDArray[np.bool_], p: NDArray[np.float64]) -> NDArray[np.float64]:
        at_specificity = metrics.sensitivity_at_specificity(y, p, 0.90)[0]
        ece = metrics.expected_calibration_error(y, p)
        return np.array([metrics.auroc(y, p), at_specificity, metrics.brier(y, p), ece])

    names = ("auroc", "sensitivity_at_specificity_090", "brier", "ece")
    counts = metrics.confusion(labels, probabilities, point.threshold)
    low, high = point.indeterminate or (2.0, 2.0)
    rates = estimate_rates(labels, probabilities, patients, point.threshold)
    figures = estimate(statistics, labels, probabilities, patients)
    return {
        "n": counts.n,
        "operating_point": point.name,
        "confusion": [[counts.tn, counts.fp], [counts.fn, counts.tp]],
        "accuracy": rates.accuracy.as_dict(4),
        "sensitivity": rates.sensitivity.as_dict(4),
        "specificity": rates.specificity.as_dict(4),
        "indeterminate": int(((probabilities >= low) & (probabilities <= high)).sum()),
    } | {name: one.as_dict(4) for name, one in zip(names, figures, strict=True)}


def summarise_etiology(
    viral: NDArray[np.bool_], probabilities: NDArray[np.float64], patients: list[str]
) -> dict[str, Any]:
    """How well bacterial and viral are told apart on validation pneumonias, for the card.

    Parameters
    ----------
    viral, probabilities
        (n,): True = viral, and its calibrated probability in [0, 1].
    """
    correct = int(((probabilities >= 0.5) == viral).sum())
    interval = metrics.bootstrap(metrics.auroc, viral, probabilities, groups=patients)
    return {
        "n": len(viral),
        "correct": correct,
        "accuracy": round(correct / len(viral), 4),
        "auroc": {
            "value": round(metrics.auroc(viral, probabilities), 4),
            "ci95": [round(end, 4) for end in interval],
        },
    }
