import numpy as np
import pytest

from pneumonia.imaging.synthetic import synthetic_radiograph
from train.data import augment as augmentation
from train.recipes.recipe import load
from train.recipes.sections import Augmentation


def augment(square: np.ndarray, knobs: Augmentation, random: np.random.Generator) -> np.ndarray:
    return augmentation.augment(square, np.zeros_like(square), knobs, random)[0]


STRONG = load("default").augmentation


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    return synthetic_radiograph(4, opacity=True, size=(224, 224)).astype(np.float32) / 255


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_knobs_nothing_changes(square) -> None:
    assert np.array_equal(augment(square, Augmentation(), random(0)), square)


def test_the_same_seed_gives_the_same_radiograph_and_another_another(square) -> None:
    one, again = (augment(square, STRONG, random(5)) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, augment(square, STRONG, random(6)))


def test_always_a_radiograph_in_range_and_the_original_untouched(square) -> None:
    before = square.copy()
    for seed in range(50):
        radiograph = augment(square, STRONG, random(seed))
        assert radiograph.shape == (224, 224)
        assert radiograph.dtype == np.float32
        assert radiograph.min() >= 0
        assert radiograph.max() <= 1
    assert np.array_equal(square, before)


def test_a_flip_is_a_mirror(square) -> None:
    flipped = augment(square, Augmentation(flip=1.0), random(0))
    np.testing.assert_allclose(flipped, square[:, ::-1], atol=1e-3)


def test_the_shipped_recipe_never_mirrors(square) -> None:
    """A bright marker on the film's left half stays on the left."""
    marked = np.zeros((224, 224), np.float32)
    marked[100:120, 40:60] = 1
    moves = Augmentation(
        flip=STRONG.flip,
        rotation_degrees=STRONG.rotation_degrees,
        scale=STRONG.scale,
        aspect=STRONG.aspect,
        shift=STRONG.shift,
    )
    for seed in range(50):
        radiograph = augment(marked, moves, random(seed))
        assert radiograph[:, :112].sum() > radiograph[:, 112:].sum()


def test_rotation_stays_within_its_bound() -> None:
    line = np.zeros((201, 201), np.float32)
    line[:, 99:102] = 1
    for seed in range(20):
        radiograph = augment(line, Augmentation(rotation_degrees=10), random(seed))
        top, bottom = (radiograph[y].argmax() for y in (20, 180))
        angle = np.degrees(np.arctan2(abs(float(top) - float(bottom)), 160))
        assert angle <= 11


def test_margins_are_covered_and_the_middle_is_not(square) -> None:
    touched = np.zeros((224, 224), bool)
    for seed in range(60):
        changed = augment(square, Augmentation(border=1.0), random(seed)) != square
        assert not changed[34:190, 34:190].any()
        touched |= changed
    assert touched[0].any()
    assert touched[:, 223].any()


def test_erasing_covers_a_stated_share(square) -> None:
    only = Augmentation(erase=1.0)
    shares = [np.mean(augment(square, only, random(seed)) != square) for seed in range(40)]
    assert min(shares) > 0.01
    assert max(shares) < 0.13
