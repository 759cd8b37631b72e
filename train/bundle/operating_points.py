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
from train.bundle.conformal import find_bounds
from train.estimates import estimate_errors, estimate_rates

MIN_SENSITIVITY: Final = 0.98  # of ``screening``
MIN_SPECIFICITY: Final = 0.98  # of ``confirming``
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
    """Sensitivity and specificity of one set of films at each candidate threshold.

    Where the films are of several sources, the mean over these: a place with many films counts no
    more than one with few. ``variance`` is that of the Youden index.
    """

    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.bool_],
        scores: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        sources: NDArray[np.str_],
    ) -> "_Curve":
        below, variance = [], np.zeros(len(thresholds))
        for truth in (True, False):
            groups = [
                np.sort(scores[(labels == truth) & (sources == name)])
                for name in np.unique(sources[labels == truth])
            ]
            rates = [np.searchsorted(group, thresholds) / len(group) for group in groups]
            below.append(np.mean(rates, axis=0))
            for rate, group in zip(rates, groups, strict=True):
                variance += _variance(rate, len(group)) / len(groups) ** 2
        return cls(1 - below[0], below[1], variance)

    def slack(self) -> NDArray[np.float64]:
        """How far the Youden index lies above what its best, less the error, would allow."""
        youden = self.sensitivity + self.specificity - 1
        best = int(np.argmax(youden))
        error = np.sqrt(self.variance[best])
        return np.asarray(youden - youden[best] + STANDARD_ERRORS * error)


def _variance(rate: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Of a share of n films, with one success and one failure added: never 0 (Laplace)."""
    p = (rate * n + 1) / (n + 2)
    return np.asarray(p * (1 - p) / (n + 2))


def choose_operating_points(
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    perturbed: NDArray[np.float64] | None = None,
    sources: Sequence[str] | None = None,
) -> dict[str, OperatingPoint]:
    """Thresholds and bands for ``screening``, ``balanced`` and ``confirming``.

    - ``screening``: the highest threshold with a sensitivity of at least 0.98 on the films as they
      are, and under every perturbation by itself.
    - ``confirming``: the lowest threshold with a specificity of at least 0.98 on all of these.
    - ``balanced``: the highest threshold whose Youden index is within one standard error of the
      best, on the films as they are and on all the perturbed ones together; where no threshold is
      on both, the one that misses least.

    Where the classes separate, the first of these lies above the second, and they change places;
    where ``balanced`` lies beyond one of them, that one moves to it. So their order never changes,
    and both promises hold: a lower threshold never misses more, a higher one never alarms more.

    The band of each reaches from its threshold to where the bounds of
    :func:`train.bundle.conformal.find_bounds` hold.

    Parameters
    ----------
    labels
        (n,), True = pneumonia.
    probabilities
        (n,), calibrated, of films that the network did not learn from.
    perturbed
        (k, n), the same films after k perturbations; None or k = 0: there are none.
    sources
        (n,): the place each is from. Sensitivities and specificities are means over them.

    Raises
    ------
    ValueError
        When a class is missing.

    Source: Youden 1950, "Index for rating diagnostic tests".
    """
    if labels.all() or not labels.any():
        raise ValueError("both classes are needed to choose an operating point")
    places = np.array(sources if sources is not None else [""] * len(labels))
    plain = _logit(probabilities)
    shifted = _logit(perturbed) if perturbed is not None else np.empty((0, len(labels)))
    thresholds = _candidates(np.concatenate([plain, shifted.ravel()]))
    each = [_Curve.of(labels, scores, thresholds, places) for scores in (plain, *shifted)]
    both, k = each[:1], len(shifted)
    if k:
        tiled = np.tile(labels, k), shifted.ravel(), thresholds, np.tile(places, k)
        both = [*both, _Curve.of(*tiled)]
    bounds = find_bounds(labels, plain, shifted, places)
    return {
        name: _point(name, float(thresholds[index]), *bounds)
        for name, index in _choose(both, each).items()
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
    name: str, threshold: float, normal_below: float, pneumonia_above: float
) -> OperatingPoint:
    """The band reaches from the threshold to both bounds; None where it lies between them."""
    at, low, high = (
        _probability(z) for z in (threshold, normal_below - _HAIR, pneumonia_above + _HAIR)
    )
    if threshold <= normal_below:
        low = at
    if threshold > pneumonia_above:
        high = float(np.nextafter(at, 0))
    if at > 0.5:  # "normal" is never the less likely answer
        low = min(low, 0.5)
    return OperatingPoint(name, at, (low, high) if low < high else None)


def describe_operating_point(
    point: OperatingPoint,
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: Sequence[str],
    perturbed: NDArray[np.float64] | None = None,
    sources: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The point as the card holds it, with its figures on the films it was chosen on.

    Rates count by the threshold alone; ``accuracy_outside_band`` leaves the films in the band out,
    ``missed`` is the share of pneumonias below the band and ``false_alarms`` that of normals above
    it. ``validation`` and ``sources`` have the intervals of :mod:`train.estimates`. ``perturbed``
    has none: its films are the same ones several times over.
    """
    described: dict[str, Any] = {
        "promise": PROMISES[point.name],
        "threshold": point.threshold,
        "indeterminate": list(point.indeterminate) if point.indeterminate else None,
        "validation": _figures(point, labels, probabilities, np.asarray(patients)),
    }
    places = np.array(sources if sources is not None else [])
    if len(set(places.tolist())) > 1:
        described["sources"] = {
            name: _by_class(point, labels[own], probabilities[own], np.asarray(patients)[own])
            for name in sorted(set(places.tolist()))
            for own in [places == name]
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
    patients: NDArray[np.str_],
) -> dict[str, Any]:
    counts, _ = _count(point, labels, probabilities)
    outside = _outside(point, probabilities)
    rates = estimate_rates(labels, probabilities, patients, point.threshold)
    certain = estimate_rates(
        labels[outside], probabilities[outside], patients[outside], point.threshold
    )
    return {
        "n": counts.n,
        "confusion": [[counts.tn, counts.fp], [counts.fn, counts.tp]],
        "accuracy": rates.accuracy.as_dict(4),
        "accuracy_outside_band": certain.accuracy.as_dict(4),
        **_by_class(point, labels, probabilities, patients),
    }


def _by_class(
    point: OperatingPoint,
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: NDArray[np.str_],
) -> dict[str, Any]:
    """What is also told of each source, which may have films of one class only."""
    rates = estimate_rates(labels, probabilities, patients, point.threshold)
    outside = _outside(point, probabilities)
    called = probabilities >= point.threshold
    missed, false_alarms = estimate_errors(labels, called, outside, patients)
    return {
        "normal": int((~labels).sum()),
        "pneumonia": int(labels.sum()),
        "sensitivity": rates.sensitivity.as_dict(4),
        "specificity": rates.specificity.as_dict(4),
        "missed": missed.as_dict(4),
        "false_alarms": false_alarms.as_dict(4),
        "share_in_band": round(1 - float(outside.mean()), 4),
    }


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _probability(logit: float) -> float:
    return float(0.5 * (1 + np.tanh(0.5 * logit)))
