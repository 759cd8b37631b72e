"""A training view: the lungs' frame, and what is replaced and covered."""

from dataclasses import replace

import numpy as np
import pytest

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square
from pneumonia.imaging.synthetic import synthetic_radiograph
from train.data.view import View, draw_view
from train.recipes.sections import Augmentation

SPEC = PreprocessSpec(size=96, grid=128, crop="lungs", levels="lungs")


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    return synthetic_radiograph(3, opacity=True, size=(128, 128)).astype(np.float32) / 255


@pytest.fixture(scope="module")
def lungs() -> Lungs:
    drawn = np.zeros((128, 128), np.bool_)
    drawn[30:90, 20:55] = drawn[30:90, 70:105] = True
    return Lungs(drawn.astype(np.float32))


def draw(square, lungs, knobs: Augmentation, seed: int = 0, other: float = 0.9) -> View:
    random = np.random.default_rng(seed)
    return draw_view(square, lungs, SPEC, knobs, random, lambda _: np.full_like(square, other))


def test_without_knobs_it_is_what_is_served(square, lungs) -> None:
    served, _ = apply_to_square(square, (128, 128), SPEC, lungs)
    view = draw(square, lungs, Augmentation())
    np.testing.assert_array_equal(view.x, served)
    assert not view.covered
    # Two lungs of 35 x 60 in a box of 85 x 60 with a margin of 15 % on every side.
    assert view.inside.mean() == pytest.approx(70 * 60 / (85 * 1.3 * 60 * 1.3), abs=0.01)


def test_replacing_the_outside_leaves_the_lungs(square, lungs) -> None:
    plain = draw(square, lungs, Augmentation())
    deep = plain.inside > 0.99
    far = np.zeros_like(deep)
    far[:4] = far[-4:] = True
    changed = 0
    for seed in range(8):
        view = draw(square, lungs, Augmentation(outside=1.0), seed)
        assert np.median(np.abs(view.x[0] - plain.x[0])[deep]) < 0.05
        changed += np.abs(view.x[0] - plain.x[0])[far].mean() > 0.2
    assert changed >= 5


def test_covered_lungs_cannot_be_seen(square, lungs) -> None:
    other = np.where(lungs.mask, 1 - square, square)
    for seed in range(8):
        one, two = (
            draw(radiograph, lungs, Augmentation(covered=1.0), seed)
            for radiograph in (square, other)
        )
        assert one.covered
        np.testing.assert_allclose(one.x, two.x, atol=1e-5)


def test_a_covered_radiograph_is_framed_as_serving_would_at_times(square, lungs) -> None:
    shares = {
        round(float(draw(square, lungs, Augmentation(covered=1.0), seed).inside.mean()), 2)
        for seed in range(12)
    }
    assert len(shares) == 2


def test_radiographs_without_lungs_are_shown_whole(square) -> None:
    view = draw(square, Lungs(np.zeros((128, 128), np.float32)), Augmentation(covered=1, outside=1))
    whole = replace(SPEC, crop="film")
    expected, _ = apply_to_square(square, (128, 128), whole, None)
    np.testing.assert_array_equal(view.x, expected)
    assert view.inside.max() == 0
    assert not view.covered
