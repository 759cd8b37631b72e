"""Logits on validation -> calibration, operating point, indeterminate band. Numpy, nothing else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import OperatingPoint
from pneumonia.errors import RunError
from train import metrics

MIN_SENSITIVITY = 0.95  # lower 95 % bound, on validation, at the operating point


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability of pneumonia = sigmoid((logit + bias) / temperature)."""

    temperature: float
    bias: float

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (logits + self.bias) / self.temperature)))


def fit_calibration(labels: NDArray[np.bool_], logits: NDArray[np.float64]) -> Calibration:
    """Temperature and bias by maximum likelihood, with Platt's smoothed targets.

    Focal loss with alpha shifts the logits, so a temperature alone (Guo et al. 2017) cannot do.
    Platt's targets (N+ + 1)/(N+ + 2) and 1/(N- + 2) keep the fit finite when the classes separate.

    Parameters
    ----------
    labels, logits
        (n,), True = pneumonia.

    Raises
    ------
    RunError
        When the logits do not rise with the label, so that no positive temperature fits.

    Source: Platt 1999, "Probabilistic outputs for support vector machines"; Lin et al. 2007.
    """
    positive, negative = int(labels.sum()), int((~labels).sum())
    targets = np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))
    scale, shift = 1.0, 0.0
    for _ in range(100):  # Newton's method on a convex function of two numbers
        p = 1 / (1 + np.exp(-np.clip(scale * logits + shift, -500, 500)))
        gradient = np.array([((p - targets) * logits).sum(), (p - targets).sum()])
        w = p * (1 - p) + 1e-12
        cross = (w * logits).sum()
        hessian = np.array([[(w * logits**2).sum(), cross], [cross, w.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        step /= max(1.0, float(np.abs(step).max()))  # at most 1 at a time: no overshoot
        scale, shift = scale - step[0], shift - step[1]
        if np.abs(step).max() < 1e-10:
            break
    if scale <= 0:
        raise RunError(
            "The network has learnt nothing: on the validation films its output does not rise with "
            "the label, so it cannot be calibrated. Train for longer, or look at the data's labels."
        )
    return Calibration(temperature=1 / scale, bias=shift / scale)


def choose_operating_point(
    labels: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> OperatingPoint:
    """The highest threshold that keeps a sensitivity of 0.95, and the band below it.

    Networks trained on the public films call too many normal ones pneumonia on films from
    elsewhere, while validation shows nothing of it. So the threshold is put as high as the
    sensitivity allows: where the lower 95 % bound of the validation sensitivity is still 0.95.
    From there down to the point where both errors balance on validation, and at least to 0.5, the
    label is indeterminate: a normal is never the less likely answer (docs/adr/0009).

    Raises
    ------
    ValueError
        When a class is missing.
    """
    if labels.all() or not labels.any():
        raise ValueError("both classes are needed to choose an operating point")
    balanced = _balanced(labels, probabilities)
    rising = np.sort(probabilities[labels])
    n = len(rising)
    missed = [k for k in range(n) if metrics.wilson(n - k, n)[0] >= MIN_SENSITIVITY]
    # Every film at or above the threshold is called pneumonia: k films lie below rising[k].
    threshold = max(balanced, float(rising[missed[-1]]) if missed else 0.0)
    low = min(balanced, 0.5)
    band = (low, float(np.nextafter(threshold, 0))) if low < threshold else None
    return OperatingPoint("sensitivity-95", threshold, band)


def _balanced(labels: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
    """The probability where the two error rates are equal, each class normal in its logits.

    Unlike the best Youden index, which on a few hundred films jumps from sample to sample, it uses
    every film, so it moves little.
    """
    scores = _logit(probabilities)
    normal, pneumonia = scores[~labels], scores[labels]
    low, high = normal.mean(), pneumonia.mean()
    spread_low, spread_high = normal.std() + 1e-6, pneumonia.std() + 1e-6
    at = (low * spread_high + high * spread_low) / (spread_low + spread_high)
    return float(1 / (1 + np.exp(-at)))


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


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
    """The validation figures of the card, each with a 95 % interval (patients resampled)."""
    counts = metrics.confusion(labels, probabilities, point.threshold)
    normal, pneumonia = counts.tn + counts.fp, counts.tp + counts.fn

    def at_specificity(y: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
        return metrics.sensitivity_at_specificity(y, p, 0.90)[0]

    def estimate(value: float, interval: tuple[float, float]) -> dict[str, object]:
        return {"value": round(value, 4), "ci95": [round(end, 4) for end in interval]}

    sampled = {
        "auroc": metrics.auroc,
        "sensitivity_at_specificity_090": at_specificity,
        "brier": metrics.brier,
        "ece": metrics.expected_calibration_error,
    }
    low, high = point.indeterminate or (2.0, 2.0)
    return {
        "n": len(labels),
        "confusion": [[counts.tn, counts.fp], [counts.fn, counts.tp]],
        "accuracy": estimate(counts.accuracy, metrics.wilson(counts.tn + counts.tp, len(labels))),
        "sensitivity": estimate(counts.sensitivity, metrics.wilson(counts.tp, pneumonia)),
        "specificity": estimate(counts.specificity, metrics.wilson(counts.tn, normal)),
        "indeterminate": int(((probabilities >= low) & (probabilities <= high)).sum()),
    } | {
        name: estimate(
            statistic(labels, probabilities),
            metrics.bootstrap(statistic, labels, probabilities, groups=patients),
        )
        for name, statistic in sampled.items()
    }
