"""How a model did against those who reviewed its films."""

from dataclasses import dataclass
from math import nan
from typing import Self

import numpy as np

from pneumonia.monitoring.observations import Bools, Observations, Seen
from pneumonia.monitoring.wilson import wilson


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n films, ``count`` of them."""

    count: int
    n: int

    @property
    def value(self) -> float:
        """In [0, 1]; nan of no films."""
        return self.count / self.n if self.n else nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, each film counted by itself; see :func:`wilson`."""
        return wilson(self.count, self.n)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of films, and rates against the reviewers.

    Attributes
    ----------
    readings, reviewed
        Films read, and those of them that the model knows and somebody reviewed.
    outside
        Films that the model does not know: they take no part in what follows.
    unsure
        Films whose last review is unsure: they take no part in the rates.
    sensitivity, specificity
        By the threshold alone, as every evaluation counts: a film that was called indeterminate
        counts by the side of the threshold on which it lies.
    missed, false_alarms
        Shares of the pneumonias called normal, and of the others called pneumonia; a film that was
        called indeterminate is neither.
    indeterminate
        Share of the films that were called neither.
    """

    readings: int
    outside: int
    reviewed: int
    unsure: int
    sensitivity: Share
    specificity: Share
    missed: Share
    false_alarms: Share
    indeterminate: Share

    @classmethod
    def of(cls, films: Observations) -> Self:
        known = ~films.outside
        ill = known & (films.seen == Seen.PNEUMONIA)
        well = known & (films.seen == Seen.NO_PNEUMONIA)
        called = films.probabilities >= films.thresholds
        answered = ~films.indeterminate
        return cls(
            readings=len(films),
            outside=int(films.outside.sum()),
            reviewed=int((known & (films.seen != Seen.NOT_REVIEWED)).sum()),
            unsure=int((known & (films.seen == Seen.UNSURE)).sum()),
            sensitivity=_share(called, ill),
            specificity=_share(~called, well),
            missed=_share(answered & ~called, ill),
            false_alarms=_share(answered & called, well),
            indeterminate=_share(films.indeterminate, ill | well),
        )


def _share(counted: Bools, among: Bools) -> Share:
    return Share(int(np.sum(counted & among)), int(np.sum(among)))
