"""What a binary classifier's scores are worth: rates, curves, calibration, and their intervals.

numpy only: training runs on machines that have no scikit-learn, and the tests compare the two.
Everywhere ``labels`` is an int or bool array (n,) with 1 = pneumonia, and ``scores`` or
``probabilities`` a float array (n,), larger = more like pneumonia. A film is called pneumonia when
its score is at or above the threshold. What cannot be computed (0/0, a class missing) is nan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.bool_], NDArray[np.float64]], float]
#: Several figures of the same films, float64 (k,).
Statistics = Callable[[NDArray[np.bool_], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of films; "positive" is pneumonia."""

    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def n(self) -> int:
        return self.tn + self.fp + self.fn + self.tp

    @property
    def accuracy(self) -> float:
        return _ratio(self.tn + self.tp, self.n)

    @property
    def sensitivity(self) -> float:
        """Share of pneumonias that are called pneumonia (recall)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of normals that are called normal."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float:
        """Share of the films called pneumonia that are (positive predictive value)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and sensitivity, of the class pneumonia."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float:
        """Correlation of what was called with what was, in [-1, 1] (Matthews 1975)."""
        called, true = self.tp + self.fp, self.tp + self.fn
        product = called * true * (self.n - called) * (self.n - true)
        return (self.tp * self.tn - self.fp * self.fn) / sqrt(product) if product else nan


@dataclass(frozen=True, eq=False, slots=True)
class ReliabilityBins:
    """Equal-width bins of the probability of pneumonia.

    Attributes
    ----------
    edges
        float64 (bins + 1,), 0 to 1. A bin holds (left, right]; the first holds 0 too.
    counts
        int64 (bins,): films in each bin.
    predicted, observed
        float64 (bins,): mean probability and share of pneumonias in each bin; nan where empty.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]


def confusion(labels: NDArray[Any], probabilities: NDArray[Any], threshold: float) -> Confusion:
    """Count the four outcomes; a probability at the threshold is called pneumonia."""
    truth, scores = checked(labels, probabilities)
    called = scores >= threshold
    tp = int(np.sum(called & truth))
    fp = int(np.sum(called & ~truth))
    positives = int(np.sum(truth))
    return Confusion(tn=len(truth) - positives - fp, fp=fp, fn=positives - tp, tp=tp)


def auroc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """Area under the ROC curve, in [0, 1]: the chance that a pneumonia outscores a normal.

    The Mann-Whitney statistic from mid-ranks (Hanley and McNeil 1982): a tie counts one half.
    nan when a class is missing.
    """
    truth, values = checked(labels, scores)
    positives = int(np.sum(truth))
    negatives = len(truth) - positives
    if not positives or not negatives:
        return nan
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(np.sum(mid_ranks[place][truth]))
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auprc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """Average precision, in (0, 1]: the area under the precision-recall curve, by its steps.

    The precision at each distinct score, weighted by the sensitivity that is gained there; for
    scores that tell nothing it is the share of pneumonias. nan without pneumonias.
    """
    truth, values = checked(labels, scores)
    if not truth.any():
        return nan
    tp, fp, _ = cumulative(truth, values)
    precision = tp[1:] / (tp[1:] + fp[1:])
    return float(np.sum(np.diff(tp) * precision) / tp[-1])


def sensitivity_at_specificity(
    labels: NDArray[Any], scores: NDArray[Any], specificity: float
) -> tuple[float, float]:
    """The best sensitivity among thresholds whose specificity is at least the one asked for.

    Returns
    -------
    sensitivity, threshold
        Of thresholds with that sensitivity, the one of the highest specificity; it is one of the
        scores, or inf where only calling everything normal is specific enough (sensitivity 0).
        (nan, nan) when a class is missing.
    """
    truth, values = checked(labels, scores)
    tp, fp, thresholds = cumulative(truth, values)
    positives, negatives = int(np.sum(truth)), int(np.sum(~truth))
    if not positives or not negatives:
        return nan, nan
    # From whole counts, so that 9 of 10 meets 0.9 exactly; 1 - fpr would not always.
    allowed = (negatives - fp) / negatives >= specificity
    best = int(np.argmax(np.where(allowed, tp, -1)))
    return float(tp[best] / positives), float(thresholds[best])


def brier(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Mean squared distance of the probability from what was, in [0, 1] (Brier 1950)."""
    truth, values = checked(labels, probabilities)
    return float(np.mean((values - truth) ** 2)) if len(truth) else nan


def expected_calibration_error(
    labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 15
) -> float:
    """Mean over films of |share of pneumonias - mean probability| in the film's bin, in [0, 1].

    Equal-width bins as in Guo et al. 2017 ("On Calibration of Modern Neural Networks", eq. 3),
    but of the probability of pneumonia, not of the likelier class: a film called normal at 0.02 is
    held to the same 2 %, and the figure does not depend on the threshold.
    """
    b = reliability_bins(labels, probabilities, bins)
    radiographs = int(np.sum(b.counts))
    if not radiographs:
        return nan
    filled = b.counts > 0
    gaps = np.abs(b.observed[filled] - b.predicted[filled])
    return float(np.sum(gaps * b.counts[filled]) / radiographs)


def reliability_bins(
    labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 15
) -> ReliabilityBins:
    """Bin the films by their probability. Raises ValueError for a probability outside [0, 1]."""
    truth, values = checked(labels, probabilities)
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must be in [0, 1], not {values.min()}..{values.max()}")
    at = np.clip(np.ceil(values * bins).astype(np.intp) - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    share = np.where(counts > 0, counts, nan)
    return ReliabilityBins(
        edges=np.linspace(0, 1, bins + 1),
        counts=counts,
        predicted=np.bincount(at, weights=values, minlength=bins) / share,
        observed=np.bincount(at, weights=truth.astype(np.float64), minlength=bins) / share,
    )


def bootstrap(
    statistic: Statistic,
    labels: NDArray[Any],
    scores: NDArray[Any],
    *,
    groups: Sequence[str] | NDArray[Any] | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13) of a statistic.

    Parameters
    ----------
    statistic
        ``statistic(labels, scores) -> float``, as the functions of this module.
    groups
        Patient of each film, (n,): patients are resampled, each with all their films, because films
        of one patient are not independent. Without it, films are resampled.
    seed
        The same seed gives the same interval.

    Returns
    -------
    The 2.5 % and 97.5 % quantiles over the rounds whose statistic is a number (a resample may lack
    a class); (nan, nan) if there is none.
    """
    ((low, high),) = bootstrap_each(
        lambda truth, values: np.array([statistic(truth, values)]),
        labels,
        scores,
        groups=groups,
        seed=seed,
        rounds=rounds,
    )
    return low, high


def bootstrap_each(
    statistics: Statistics,
    labels: NDArray[Any],
    scores: NDArray[Any],
    *,
    groups: Sequence[str] | NDArray[Any] | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> list[tuple[float, float]]:
    """:func:`bootstrap` of k statistics over the same resamples: k intervals."""
    truth, values = checked(labels, scores)
    if groups is not None and len(groups) != len(truth):
        raise ValueError(f"{len(groups)} groups for {len(truth)} films")
    if not len(truth):
        return [(nan, nan)] * len(statistics(truth, values))
    draw = _sampler(len(truth), groups, np.random.default_rng(seed))
    found = []
    for _ in range(rounds):
        radiographs = draw()
        found.append(statistics(truth[radiographs], values[radiographs]))
    return [_percentiles(column[~np.isnan(column)]) for column in np.array(found).T]


def _percentiles(found: NDArray[np.float64]) -> tuple[float, float]:
    if not len(found):
        return nan, nan
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def _sampler(
    n: int, groups: Sequence[str] | NDArray[Any] | None, rng: np.random.Generator
) -> Callable[[], NDArray[np.intp]]:
    """A function that draws the films of one resample, with replacement."""
    if groups is None:
        return lambda: rng.integers(0, n, n)
    _, patient = np.unique(np.asarray(groups), return_inverse=True)
    radiographs = np.argsort(patient, kind="stable")  # films of a patient stand together
    sizes = np.bincount(patient)
    starts = np.cumsum(sizes) - sizes

    def draw() -> NDArray[np.intp]:
        drawn = rng.integers(0, len(sizes), len(sizes))
        lengths = sizes[drawn]
        # The runs starts[d]..starts[d]+sizes[d] of all drawn patients, laid end to end.
        offsets = np.cumsum(lengths) - lengths
        at = np.arange(lengths.sum()) + np.repeat(starts[drawn] - offsets, lengths)
        return np.asarray(radiographs[at], dtype=np.intp)

    return draw


def cumulative(
    truth: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """True and false positives, int64 (k,), and thresholds: inf, then each distinct score."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], truth[order]
    # The last film of each run of equal scores.
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else order
    tp = np.cumsum(hits, dtype=np.int64)[ends]
    return (
        np.append(np.int64(0), tp),
        np.append(np.int64(0), ends + 1 - tp),
        np.append(np.inf, ranked[ends]),
    )


def checked(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels as bool and scores as float64. Raises ValueError for what would mislead silently."""
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"labels {truth.shape} and scores {values.shape} must both be (n,)")
    if truth.dtype != np.bool_ and not np.isin(truth, (0, 1)).all():
        raise ValueError("labels must be 0 (normal) or 1 (pneumonia)")
    if np.isnan(values).any():
        raise ValueError("scores must not be nan")
    return truth.astype(bool), values


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else nan
