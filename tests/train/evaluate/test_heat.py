"""Where a map is hot, on geometries whose answer is known by hand."""

import math

import numpy as np
import pytest

from pneumonia.analysis.finding import ActivationMap
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import Geometry
from train.evaluate import heat


def activation(values: list[list[float]], geometry: Geometry) -> ActivationMap:
    return ActivationMap(np.array(values, np.float32), 1.0, geometry)


def lungs(rows: slice, columns: slice, side: int = 64) -> Lungs:
    probability = np.zeros((side, side), np.float32)
    probability[rows, columns] = 1
    return Lungs(probability)


WHOLE = Geometry(200, 100, (0, 0, 200, 100))
LEFT = lungs(np.s_[:], np.s_[:32])


@pytest.mark.parametrize("level", [0.5, 3.0])
def test_even_heat_is_shared_out_by_area(level: float) -> None:
    found = heat.share_in_lungs(activation([[level]], WHOLE), lungs(np.s_[:16], np.s_[:]))
    assert found == pytest.approx(0.25)


def test_heat_on_one_side_lies_on_that_side_and_cold_is_not_counted() -> None:
    # Interpolated between two cells: 1, then falling from 1 to -1 over the middle half, then -1.
    found = heat.share_in_lungs(activation([[1, -1]], WHOLE), LEFT)
    assert found == 1
    opposite = heat.share_in_lungs(activation([[-1, 1]], WHOLE), LEFT)
    assert opposite == 0


def test_without_positive_heat_there_is_no_share() -> None:
    assert math.isnan(heat.share_in_lungs(activation([[0, -1]], WHOLE), LEFT))


def test_the_input_may_show_a_part_of_the_radiograph() -> None:
    """A crop of the film's left half: all its heat lies there, however the film is shaped."""
    crop = Geometry(200, 100, (0, 0, 100, 100))
    assert heat.share_in_lungs(activation([[1]], crop), LEFT) == 1
    quarter = lungs(np.s_[:], np.s_[:16])
    assert heat.share_in_lungs(activation([[1]], crop), quarter) == pytest.approx(0.5)


def test_a_geometry_at_another_size_is_the_same_place() -> None:
    found = heat.resized(Geometry(200, 100, (-20, 10, 120, 110)), 100, 200)
    assert found == Geometry(100, 200, (-10, 20, 60, 220))


def test_pointing_at_a_box() -> None:
    # One hot cell of four, top left: the quarter of 200 x 100 pixels, its peak in its corner.
    radiograph = activation([[1, 0], [0, 0]], WHOLE)
    found = heat.point_at(radiograph, [(0, 0, 100, 50)], LEFT)
    assert found.hit
    assert found.share_of_radiograph == 0.25
    assert found.share_of_lungs == 0.5
    assert found.lungs_iou == pytest.approx(0.5)
    # The upper quarter: bilinear, x falls from 1 at a quarter of the width; x * y >= 0.75.
    assert 0.4 < found.iou < 0.7
    elsewhere = heat.point_at(radiograph, [(100, 50, 100, 50)], LEFT)
    assert not elsewhere.hit
    assert elsewhere.iou < 0.01
    assert elsewhere.share_of_lungs == 0


def test_iou_by_hand() -> None:
    """Even heat: the whole film is in the upper quarter, so the IoU is the box's share."""
    found = heat.point_at(activation([[2]], WHOLE), [(0, 0, 50, 50), (150, 50, 50, 50)], None)
    assert found.iou == pytest.approx(5000 / 20000)
    assert found.share_of_radiograph == pytest.approx(0.25)
    assert math.isnan(found.share_of_lungs)
    assert math.isnan(found.lungs_iou)


def test_without_heat_nothing_is_pointed_at() -> None:
    found = heat.point_at(activation([[-1]], WHOLE), [(0, 0, 200, 100)], None)
    assert not found.hit
    assert found.iou == 0


def test_a_box_that_reaches_beyond_the_radiograph_is_cut_off() -> None:
    found = heat.point_at(activation([[1]], WHOLE), [(150, -50, 100, 100)], None)
    assert found.share_of_radiograph == pytest.approx(50 * 50 / 20000)


def test_a_box_of_another_radiograph_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no pixel of 200 x 100 lies in \[\(300, 0, 9, 9\)\]"):
        heat.point_at(activation([[1]], WHOLE), [(300, 0, 9, 9)], None)
