"""Where the map is hot, by the lungs' outline."""

import numpy as np
import pytest

from pneumonia.analysis.finding import ActivationMap
from pneumonia.analysis.location import locate
from pneumonia.imaging.preprocess import Geometry

# Two lungs, side by side; the first on the viewer's left. Given here in the other order.
RIGHT = ((0.1, 0.1), (0.45, 0.1), (0.45, 0.9), (0.1, 0.9))
LEFT = ((0.55, 0.1), (0.9, 0.1), (0.9, 0.9), (0.55, 0.9))
OUTLINE = (LEFT, RIGHT)


def hot(row: int, column: int, width: int = 800, height: int = 600) -> ActivationMap:
    values = np.full((10, 10), -1, np.float32)
    values[row, column] = 2
    return ActivationMap(values, 2.0, Geometry(width, height, (0, 0, width, height)))


@pytest.mark.parametrize(
    ("row", "column", "zone"),
    [
        (2, 2, "right upper zone"),
        (5, 3, "right middle zone"),
        (8, 2, "right lower zone"),
        (2, 7, "left upper zone"),
        (5, 7, "left middle zone"),
        (8, 7, "left lower zone"),
    ],
)
def test_the_hottest_zone_is_first(row: int, column: int, zone: str) -> None:
    location = locate(hot(row, column), OUTLINE)
    assert location is not None
    assert str(location.zones[0]) == zone
    assert location.zones[0].share > 0.6
    assert sum(z.share for z in location.zones) + location.outside == pytest.approx(1, abs=1e-5)


def test_colour_beside_the_lungs_is_told() -> None:
    location = locate(hot(0, 0), OUTLINE)
    assert location is not None
    assert location.outside > 0.7


def test_a_cropped_input_is_carried_to_its_place() -> None:
    # The input covers the lower right quarter of the film: its middle is the left lower zone.
    values = np.zeros((7, 7), np.float32)
    values[3, 3] = 1
    activation = ActivationMap(values, 1.0, Geometry(400, 400, (200, 200, 400, 400)))
    location = locate(activation, OUTLINE)
    assert location is not None
    assert str(location.zones[0]) == "left lower zone"


def test_without_two_lungs_or_without_colour_nothing_is_said() -> None:
    assert locate(hot(2, 2), (RIGHT,)) is None
    cold = ActivationMap(np.full((4, 4), -1, np.float32), 1.0, Geometry(9, 9, (0, 0, 9, 9)))
    assert locate(cold, OUTLINE) is None
