"""Which probability is called pneumonia: three thresholds fixed on validation, each with its band.

Why they are chosen so, and what it costs, is in ``docs/adr/0010-operating-points.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import OperatingPoint
from train import metrics
from train.estimates import estimate_rates

MIN_SENSITIVITY: Final = 0.98  # of ``screening``
MIN_SPECIFICITY: Final = 0.98  # of ``confirming``
TARGET_ACCURACY: Final = 0.98  # of the films outside the band
MAX_SHARE: Final = 0.15  # of the films inside it
STANDARD_ERRORS: Final = 1.0  # below the best Youden index, where ``balanced`` may still lie
PROMISES: Final = {
    "screening": f"a sensitivity of at least {MIN_SENSITIVITY}",
    "balanced": "the highest threshold whose Youden index is within a standard error of the best",
    "confirming": f"a specificity of at least {MIN_SPECIFICITY}",
}
_HAIR: Final = 0.01  # logits: a threshold lies this far below a film's score, or half-way to the
# next lower one, so that the last digits of another machine do not move the film across it


@dataclass(frozen=True, eq=False, slots=True)
class _Curve:
    """Sensitivity and specificity of one set of films at each candidate threshold."""

    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]
    pneumonia: int
    normal: int

    @classmethod
    def of(
        cls,
        labels: NDArray[np.bool_],
        scores: NDArray[np.float64],
        thresholds: NDArray[np.float64],
    ) -> "_Curve":
        pneumonia, normal = np.sort(scores[labels]), np.sort(scores[~labels])
        return cls(
            1 - np.searchsorted(pneumonia, thresholds) / len(pneumonia),
            np.searchsorted(normal, thresholds) / len(normal),
            len(pneumonia),
            len(normal),
        )

    def slack(self) -> NDArray[np.float64]:
        """How far the Youden index lies above what its best, less the error, would allow."""
        youden = self.sensitivity + self.specificity - 1
        best = int(np.argmax(youden))
        error = np.sqrt(
            _variance(self.sensitivity[best], self.pneumonia)
            + _variance(self.specificity[best], self.normal)
        )
        return np.asarray(youden - youden[best] + STANDARD_ERRORS * error)


def _variance(rate: float, n: int) -> float:
    """Of a share of n films, with one success and one failure added: never 0 (Laplace)."""
    p = (rate * n + 1) / (n + 2)
    return p * (1 - p) / (n + 2)


def choose_operating_points(
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    perturbed: NDArray[np.float64] | None = None,
) -> dict[str, OperatingPoint]:
    """Thresholds and bands for ``screening``, ``balanced`` and ``confirming``.

    - ``screening``: the highest threshold with a sensitivity of at least 0.98 on the films as they
      are, and under every alteration by itself.
    - ``confirming``: the lowest threshold with a specificity of at least 0.98 on all of these.
    - ``balanced``: the highest threshold whose Youden index is within one standard error of the
      best, on the films as they are and on all the altered ones together; where no threshold is on
      both, the one that misses least.

    Where the classes separate, the first of these lies above the second, and they change places;
    where ``balanced`` lies beyond one of them, that one moves to it. So their order never changes,
    and both promises hold: a lower threshold never misses more, a higher one never alarms more.

    Parameters
    ----------
    labels
        (n,), True = pneumonia.
    probabilities
        (n,), calibrated, of the validation films.
    perturbed
        (k, n), the same films after k alterations; None or k = 0: there are none.

    Raises
    ------
    ValueError
        When a class is missing.

    Source: Youden 1950, "Index for rating diagnostic tests".
    """
    if labels.all() or not labels.any():
        raise ValueError("both classes are needed to choose an operating point")
    truth, pool = _pool(labels, probabilities, perturbed)
    everything = _logit(pool)
    thresholds = _candidates(everything)
    plain, *changed = (
        _Curve.of(labels, part, thresholds) for part in everything.reshape(-1, len(labels))
    )
    balanced = [plain]
    if changed:
        balanced.append(_Curve.of(truth[len(labels) :], everything[len(labels) :], thresholds))
    at = _choose(balanced, [plain, *changed])
    return {
        name: _point(name, float(thresholds[index]), truth, everything)
        for name, index in at.items()
    }


def _choose(both: list[_Curve], each: list[_Curve]) -> dict[str, int]:
    """Index of each point's threshold; thresholds rise.

    ``both``: the films as they are, and all altered ones together. ``each``: every alteration too.
    """
    slack = np.min([curve.slack() for curve in both], axis=0)
    fits = np.flatnonzero(slack >= 0)
    balanced = int(fits[-1]) if len(fits) else int(np.argmax(slack))
    sensitivity = np.min([curve.sensitivity for curve in each], axis=0)
    specificity = np.min([curve.specificity for curve in each], axis=0)
    # Calling everything pneumonia is the first candidate, calling nothing so the last.
    low, high = sorted(
        (
            int(np.flatnonzero(sensitivity >= MIN_SENSITIVITY)[-1]),
            int(np.flatnonzero(specificity >= MIN_SPECIFICITY)[0]),
        )
    )
    return {
        "screening": min(low, balanced),
        "balanced": balanced,
        "confirming": max(high, balanced),
    }


def _candidates(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """A threshold a hair below each distinct score, and one above them all; rising logits."""
    distinct = np.unique(scores)
    gaps = np.diff(distinct, prepend=-np.inf)
    return np.append(distinct - np.minimum(gaps / 2, _HAIR), distinct[-1] + _HAIR)


def _point(
    name: str, threshold: float, labels: NDArray[np.bool_], scores: NDArray[np.float64]
) -> OperatingPoint:
    half = _half_band(threshold, labels, scores)
    at, low, high = (
        _probability(logit) for logit in (threshold, threshold - half, threshold + half)
    )
    if at > 0.5:  # "normal" is never the less likely answer
        low = min(low, 0.5)
    if not half:
        high = float(np.nextafter(at, 0))
    return OperatingPoint(name, at, (low, high) if low < high else None)


def _half_band(threshold: float, labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Half the width, in logits, of the smallest band outside which the accuracy is 0.98.

    Films from 0.5 up to the threshold are in the band already. Where it would take more than 15 %
    of the films, the width within these that helps most; 0 where none is needed, or none helps.
    """
    free = ~((scores >= 0) & (scores < threshold))
    distance = np.abs(scores - threshold)[free]
    order = np.argsort(distance, kind="stable")
    distance = np.append(distance[order], np.inf)
    is_right = ((scores >= threshold) == labels)[free][order]
    n = len(is_right)
    if n == 0:
        return 0.0
    taken = np.arange(n)  # a band that takes so many of the free films, the nearest ones
    accuracy = (is_right.sum() - np.cumsum(is_right) + is_right) / (n - taken)
    inside = len(scores) - n + taken
    # A band ends between two films, never among films of one score.
    allowed = (inside <= max(MAX_SHARE * len(scores), inside[0])) & (
        np.diff(distance[:n], prepend=-1) > 0
    )
    reached = np.flatnonzero(allowed & (accuracy >= TARGET_ACCURACY))
    best = int(reached[0]) if len(reached) else int(np.argmax(np.where(allowed, accuracy, -1)))
    if best == 0:
        return 0.0
    return float(distance[best - 1] + min((distance[best] - distance[best - 1]) / 2, _HAIR))


def describe_operating_point(
    point: OperatingPoint,
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: Sequence[str],
    perturbed: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The point as the card holds it, with its figures on the validation films.

    Rates count by the threshold alone; ``accuracy_outside_band`` leaves the films in the band out.
    ``validation`` has the intervals of :mod:`train.estimates`. ``perturbed`` has none: its
    films are the same ones several times over.
    """
    described: dict[str, Any] = {
        "promise": PROMISES[point.name],
        "threshold": point.threshold,
        "indeterminate": list(point.indeterminate) if point.indeterminate else None,
        "validation": _figures(point, labels, probabilities, patients),
    }
    if perturbed is not None and perturbed.size:
        counts, outside = _count(point, np.tile(labels, len(perturbed)), perturbed.ravel())
        described["perturbed"] = {
            "n": len(labels),
            "confusion": [[counts.tn, counts.fp], [counts.fn, counts.tp]],
            "sensitivity": round(counts.sensitivity, 4),
            "specificity": round(counts.specificity, 4),
            "accuracy": round(counts.accuracy, 4),
            "accuracy_outside_band": round(outside.accuracy, 4) if outside.n else None,
            "share_in_band": round(1 - outside.n / counts.n, 4),
            "perturbations": len(perturbed),
        }
    return described


def _count(
    point: OperatingPoint, labels: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> tuple[metrics.Confusion, metrics.Confusion]:
    """How films are called by the threshold: all of them, and those outside the band."""
    outside = _outside(point, probabilities)
    return (
        metrics.confusion(labels, probabilities, point.threshold),
        metrics.confusion(labels[outside], probabilities[outside], point.threshold),
    )


def _outside(point: OperatingPoint, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    low, high = point.indeterminate or (2.0, 2.0)
    return np.asarray((probabilities < low) | (probabilities > high))


def _figures(
    point: OperatingPoint,
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: Sequence[str],
) -> dict[str, Any]:
    counts, called = _count(point, labels, probabilities)
    outside = _outside(point, probabilities)
    rates = estimate_rates(labels, probabilities, patients, point.threshold)
    certain = estimate_rates(
        labels[outside], probabilities[outside], np.asarray(patients)[outside], point.threshold
    )
    return {
        "n": counts.n,
        "confusion": [[counts.tn, counts.fp], [counts.fn, counts.tp]],
        "sensitivity": rates.sensitivity.as_dict(4),
        "specificity": rates.specificity.as_dict(4),
        "accuracy": rates.accuracy.as_dict(4),
        "accuracy_outside_band": certain.accuracy.as_dict(4),
        "share_in_band": round(1 - called.n / counts.n, 4),
    }


def _pool(
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    perturbed: NDArray[np.float64] | None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The films as they are, then every perturbed version of them."""
    if perturbed is None:
        return labels, probabilities
    return np.tile(labels, 1 + len(perturbed)), np.concatenate([probabilities, perturbed.ravel()])


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _probability(logit: float) -> float:
    return float(0.5 * (1 + np.tanh(0.5 * logit)))
