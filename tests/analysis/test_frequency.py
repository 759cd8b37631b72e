"""Which validation films a probability is compared with."""

import pytest

from pneumonia.analysis.frequency import Frequency, find_frequency

GROUPS = (Frequency(0.01, 0.1, 30, 0), Frequency(0.1, 0.6, 40, 13), Frequency(0.9, 0.99, 30, 30))


@pytest.mark.parametrize(
    ("probability", "group"),
    [(0.0, 0), (0.05, 0), (0.1, 0), (0.11, 1), (0.6, 1), (0.9, 2), (0.95, 2), (1.0, 2)],
)
def test_the_ends_stand_for_what_lies_beyond_them(probability: float, group: int) -> None:
    assert find_frequency(GROUPS, probability) is GROUPS[group]


@pytest.mark.parametrize(("probability", "group"), [(0.61, 1), (0.75, 1), (0.751, 2), (0.89, 2)])
def test_gaps_are_closed_at_their_midpoints(probability: float, group: int) -> None:
    assert find_frequency(GROUPS, probability) is GROUPS[group]


def test_without_groups_there_is_none() -> None:
    assert find_frequency((), 0.5) is None


def test_counts_become_a_share_of_a_hundred() -> None:
    assert [group.per_hundred for group in GROUPS] == [0, 32, 100]
