"""Whether the films of a period differ from earlier ones, and in which way.

Two things are watched: the scores (logits of pneumonia), and how far films are from the chest films
that the model learnt from. Each is compared with the clinic's own first films by the two-sample
Kolmogorov-Smirnov test. What differs is then compared again after the first films were weighted to
the share of pneumonia that the later ones are estimated to have: what no longer differs is
explained by other patients, what still does is not. In all tests of one table together a false
alarm has a chance of 5 % at most (Holm), and a difference too small to matter is none, however
many films show it.

Sources: Roschewitz et al. 2024, "Automatic dataset shift identification to support safe deployment
of medical imaging AI" (the two steps); Lipton et al. 2018, "Detecting and correcting for label
shift with black box predictors"; Saerens et al. 2002, "Adjusting the outputs of a classifier to new
a priori probabilities" (the share of pneumonia); Holm 1979.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.monitoring.observations import Bools, Floats, Observations

Indices = NDArray[np.intp]

REFERENCE: Final = 200  # films: the first ones that are compared with
MIN_FILMS: Final = 50  # of a period; from fewer nothing is concluded
MIN_DIFFERENCE: Final = 0.1  # of the two distributions, at their widest; less is no alarm
ALPHA: Final = 0.05  # of all tests of a table together
_ROUNDS: Final = 200
_EPSILON: Final = 1e-6


class Shift(StrEnum):
    """What a period's films say."""

    TOO_FEW = "too_few"
    NONE = "none"
    PREVALENCE = "prevalence"
    """As many more or fewer pneumonias would do: other patients."""
    COVARIATE = "covariate"
    """The pictures themselves differ: other equipment, or patients of another kind."""
    SCORES = "scores"
    """The scores differ by more than a share of pneumonia explains, the pictures do not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of a period's films against that of the first ones.

    Attributes
    ----------
    n
        Films of the period that have the figure.
    difference, adjusted
        The largest distance of the two distribution functions, in [0, 1]: as they are, and with
        the first films weighted to the period's share of pneumonia.
    p, adjusted_p
        How often chance alone would show as much.
    prevalence
        The period's share of pneumonia, estimated from the probabilities.
    """

    n: int
    difference: float
    p: float
    adjusted: float
    adjusted_p: float
    prevalence: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one period; a comparison is None where the films are too few, or have no such figure."""

    shift: Shift
    scores: Comparison | None
    distances: Comparison | None


def find_reference(films: Observations, values: Floats) -> Indices:
    """Which films are compared with: the first that the model knows and that have the figure.

    All of the later ones follow them in time. Fewer than :data:`REFERENCE` are no reference.
    """
    return np.flatnonzero(np.isfinite(values) & ~films.outside)[:REFERENCE]


def find_drift(films: Observations, periods: Sequence[Bools]) -> list[Drift]:
    """What the films of each period say against the first ones, which take no part in any.

    Parameters
    ----------
    films
        n of them, the oldest first.
    periods
        bool (n,) each.
    """
    by_figure = [_compare_periods(films, v, periods) for v in (films.logits, films.distances)]
    compared = list(zip(*by_figure, strict=True))
    return [Drift(kind, *pair) for kind, pair in zip(_judge(compared), compared, strict=True)]


def _compare_periods(
    films: Observations, values: Floats, periods: Sequence[Bools]
) -> list[Comparison | None]:
    first = find_reference(films, values)
    if len(first) < REFERENCE:
        return [None] * len(periods)
    later = np.isfinite(values) & ~films.outside
    later[first] = False
    return [
        _compare(films.probabilities, values, first, now) if len(now) >= MIN_FILMS else None
        for now in (np.flatnonzero(later & period) for period in periods)
    ]


def _judge(compared: Sequence[tuple[Comparison | None, Comparison | None]]) -> list[Shift]:
    """First whether anything differs at all; then, of what does, what a share explains."""
    tests = {
        (period, which): one
        for period, pair in enumerate(compared)
        for which, one in zip(("scores", "distances"), pair, strict=True)
        if one is not None
    }
    differ = _holm({key: (one.difference, one.p) for key, one in tests.items()})
    suspects = {period for period, _ in differ}
    remain = _holm(
        {key: (one.adjusted, one.adjusted_p) for key, one in tests.items() if key[0] in suspects}
    )
    found = []
    for period, pair in enumerate(compared):
        if pair == (None, None):
            found.append(Shift.TOO_FEW)
        elif period not in suspects:
            found.append(Shift.NONE)
        elif (period, "distances") in remain:
            found.append(Shift.COVARIATE)
        else:
            found.append(Shift.SCORES if (period, "scores") in remain else Shift.PREVALENCE)
    return found


def _holm(tests: dict[tuple[int, str], tuple[float, float]]) -> set[tuple[int, str]]:
    """Which of the tests show a difference that is neither chance nor too small to matter."""
    shown: set[tuple[int, str]] = set()
    for rank, key in enumerate(sorted(tests, key=lambda key: tests[key][1])):
        difference, p = tests[key]
        if p > ALPHA / (len(tests) - rank):
            break
        if difference >= MIN_DIFFERENCE:
            shown.add(key)
    return shown


def _compare(probabilities: Floats, values: Floats, first: Indices, now: Indices) -> Comparison:
    p = probabilities[first]
    share = float(np.clip(p.mean(), _EPSILON, 1 - _EPSILON))
    prevalence = estimate_prevalence(p, probabilities[now])
    weights = p * prevalence / share + (1 - p) * (1 - prevalence) / (1 - share)
    return Comparison(
        len(now),
        *kolmogorov_smirnov(values[first], values[now], np.ones(len(first))),
        *kolmogorov_smirnov(values[first], values[now], weights),
        prevalence,
    )


def estimate_prevalence(reference: Floats, now: Floats) -> float:
    """The share of pneumonia among films, if they differ from the reference in that alone.

    Expectation maximisation over calibrated probabilities: these are moved to a share, the share
    to their mean, until both agree.

    Parameters
    ----------
    reference, now
        Probabilities of pneumonia, whose mean over the reference is its share.

    Source: Saerens et al. 2002.
    """
    first = float(np.clip(reference.mean(), _EPSILON, 1 - _EPSILON))
    share = first
    for _ in range(_ROUNDS):
        ill, well = now * share / first, (1 - now) * (1 - share) / (1 - first)
        moved = float(np.clip((ill / (ill + well)).mean(), _EPSILON, 1 - _EPSILON))
        if abs(moved - share) < _EPSILON:
            break
        share = moved
    return share


def kolmogorov_smirnov(first: Floats, second: Floats, weights: Floats) -> tuple[float, float]:
    """The two-sample test: largest distance of the distribution functions, and its p-value.

    Parameters
    ----------
    weights
        How much each film of the first sample counts, at least 0. Unequal ones count as fewer films
        (Kish's effective sample size).

    Source: Smirnov 1948, with the correction for small samples of Stephens 1970.
    """
    order = np.argsort(first, kind="stable")
    values, counts = np.concatenate((first, second)), np.cumsum(weights[order])
    below = np.searchsorted(first[order], values, side="right")
    share = np.concatenate(([0.0], counts / counts[-1]))[below]
    other = np.searchsorted(np.sort(second), values, side="right") / len(second)
    difference = float(np.abs(share - other).max())
    effective = weights.sum() ** 2 / (weights**2).sum()
    root = float(np.sqrt(effective * len(second) / (effective + len(second))))
    at = (root + 0.12 + 0.11 / root) * difference
    k = np.arange(1, 101)
    tail = 2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * at) ** 2)) if at > 0.2 else 1.0
    return difference, float(np.clip(tail, 0.0, 1.0))
