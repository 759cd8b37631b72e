"""How often films with such a probability showed pneumonia in the validation data. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Frequency:
    """Validation films of about the same probability.

    Attributes
    ----------
    low, high
        Lowest and highest calibrated probability among them, in [0, 1].
    n, pneumonia
        How many films, and how many of them show pneumonia.
    """

    low: float
    high: float
    n: int
    pneumonia: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"a group of films lies between 0 and 1, not {self.low}..{self.high}")
        if not 0 <= self.pneumonia <= self.n or not self.n:
            raise ValueError(f"{self.pneumonia} of {self.n} films cannot show pneumonia")

    @property
    def per_hundred(self) -> int:
        """Of 100 such films, how many show pneumonia: 0 to 100."""
        return round(100 * self.pneumonia / self.n)


def find_frequency(groups: Sequence[Frequency], probability: float) -> Frequency | None:
    """The group that a probability falls into.

    Beyond the lowest and the highest group these stand for it, and between two groups the nearer
    one does: the boundary is the midpoint. None without groups.

    Parameters
    ----------
    groups
        Rising, not overlapping, as in the card.
    """
    if not groups:
        return None
    for group, following in pairwise(groups):
        if probability <= (group.high + following.low) / 2:
            return group
    return groups[-1]
