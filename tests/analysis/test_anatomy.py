"""Figures about outlined lungs, against drawings whose figures are known."""

import pytest

from pneumonia.analysis import anatomy
from tests.analysis.drawn_lungs import LEFT, RIGHT, lungs


def test_two_equal_lungs_clear_of_the_edges() -> None:
    found = anatomy.measure(lungs(certainty=0.94))
    assert found.count == 2
    assert found.certainty == pytest.approx(0.94)
    assert found.evenness == pytest.approx(1, abs=0.01)
    assert found.side_by_side == 1
    assert found.solidity > 0.97
    assert set(found.touching.values()) == {0}


def test_evenness_is_the_ratio_of_areas() -> None:
    found = anatomy.measure(lungs(RIGHT, (154, 110, 18, 76)))
    assert found.evenness == pytest.approx(0.5, abs=0.02)


def test_side_by_side_is_the_shared_height() -> None:
    found = anatomy.measure(lungs((70, 80, 30, 40), (154, 120, 30, 40)))
    assert found.side_by_side == pytest.approx(0.5, abs=0.02)


def test_touching_is_a_share_of_the_lungs_own_height_and_width() -> None:
    # Half of the right lung is beyond the edge: its whole height lies on it.
    found = anatomy.measure(lungs((0, 110, 40, 70), LEFT)).touching
    assert found["left"] == pytest.approx(141 / 153, abs=0.02)
    assert (found["right"], found["top"], found["bottom"]) == (0, 0, 0)
    low = anatomy.measure(lungs((70, 223, 30, 100), (154, 223, 30, 100))).touching
    assert low["bottom"] == pytest.approx(122 / 145, abs=0.03)


def test_no_lungs() -> None:
    found = anatomy.measure(lungs((112, 112, 2, 2)))
    assert (found.count, found.certainty, found.evenness, found.solidity) == (0, 0, 0, 0)
    assert found.touching == {"left": 0, "right": 0, "top": 0, "bottom": 0}
