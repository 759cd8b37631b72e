"""Masks, boxes and outlines of lungs."""

import numpy as np
import pytest

from pneumonia.imaging.lungs import Lungs, to_input


def drawn(*parts: tuple[slice, slice], side: int = 100) -> Lungs:
    probability = np.zeros((side, side), np.float32)
    for part in parts:
        probability[part] = 0.9
    return Lungs(probability)


LEFT, RIGHT = np.s_[20:80, 10:40], np.s_[20:70, 60:90]


def test_the_two_largest_parts_are_the_lungs() -> None:
    speck, third = np.s_[2:4, 2:4], np.s_[85:95, 10:30]
    found = drawn(LEFT, RIGHT, speck, third).mask
    assert np.array_equal(found, drawn(LEFT, RIGHT).mask)
    assert found.sum() == 60 * 30 + 50 * 30


def test_a_speck_is_no_lung() -> None:
    assert drawn(np.s_[2:6, 2:6]).box is None
    assert drawn(np.s_[2:6, 2:6]).outline() == ()


def test_holes_are_filled() -> None:
    probability = drawn(LEFT).probability.copy()
    probability[40:50, 20:30] = 0.1
    assert Lungs(probability).mask.sum() == 60 * 30


def test_the_box_is_in_fractions_of_the_radiograph_edges_on_edges() -> None:
    assert drawn(LEFT, RIGHT).box == (0.1, 0.2, 0.9, 0.8)
    assert drawn(np.s_[0:100, 0:100]).box == (0.0, 0.0, 1.0, 1.0)


def test_the_outline_goes_around_each_lung() -> None:
    polygons = drawn(LEFT, RIGHT).outline()
    assert len(polygons) == 2
    by_x = sorted(polygons, key=lambda p: min(x for x, _ in p))
    for polygon, (x0, y0, x1, y1) in zip(
        by_x, ((0.1, 0.2, 0.4, 0.8), (0.6, 0.2, 0.9, 0.7)), strict=True
    ):
        xs, ys = zip(*polygon, strict=True)
        assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx((x0, y0, x1, y1), abs=0.006)


def test_a_drawn_mask_of_any_size_becomes_the_same_lungs() -> None:
    mask = np.zeros((300, 200), np.bool_)
    mask[60:240, 20:80] = True
    lungs = Lungs.of_mask(mask, 100)
    assert lungs.box == pytest.approx((0.1, 0.2, 0.4, 0.8), abs=0.011)


def test_the_input_spans_the_radiographs_own_greys() -> None:
    radiograph = np.tile(np.linspace(0.3, 0.5, 64, dtype=np.float32), (64, 1))
    small = to_input(radiograph, 32)
    assert small.shape == (32, 32)
    assert (small.min(), small.max()) == pytest.approx((-1, 1), abs=0.05)
    np.testing.assert_allclose(to_input(radiograph * 0.5 + 0.2, 32), small, atol=1e-4)


def test_a_blank_radiograph_is_no_number_out_of_range() -> None:
    assert set(np.unique(to_input(np.full((64, 64), 0.5, np.float32), 32))) == {-1.0}
