"""The drawn films have the anatomy that the tests and samples rely on."""

import numpy as np
import pytest

from pneumonia.imaging.synthetic import synthetic_radiograph

SEEDS = range(8)


@pytest.mark.parametrize("size", [(1024, 1024), (400, 560), (640, 420), (64, 64)])
def test_the_size_is_height_and_width(size):
    radiograph = synthetic_radiograph(0, opacity=True, size=size)
    assert radiograph.shape == size
    assert radiograph.dtype == np.uint8


def test_the_default_is_a_megapixel():
    assert synthetic_radiograph(0, opacity=False).shape == (1024, 1024)


def test_the_same_seed_gives_the_same_radiograph_and_another_seed_another():
    first, again, other = (
        synthetic_radiograph(s, opacity=True, size=(200, 200)) for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_an_opacity_brightens_one_lung(seed):
    clear = synthetic_radiograph(seed, opacity=False, size=(320, 320)).astype(int)
    change = synthetic_radiograph(seed, opacity=True, size=(320, 320)) - clear
    left, right = change[:, :160], change[:, 160:]
    assert change.min() >= -40  # unsharp masking darkens what lies around it
    assert change.max() > 50
    lit = [(half > 15).sum() for half in (left, right)]
    assert min(lit) < 0.03 * max(lit)
    assert 0.01 < (change > 15).mean() < 0.15


def test_both_sides_occur():
    sides = set()
    for seed in SEEDS:
        clear, ill = (synthetic_radiograph(seed, opacity=o, size=(128, 128)) for o in (False, True))
        change = ill.astype(int) - clear
        sides.add(bool(change[:, :64].sum() > change[:, 64:].sum()))
    assert sides == {True, False}


@pytest.mark.parametrize("seed", SEEDS)
def test_air_is_dark_and_bone_is_bright(seed):
    radiograph = synthetic_radiograph(seed, opacity=False, size=(512, 512)).astype(float)

    def level(y: slice, x: slice) -> float:
        return float(radiograph[y, x].mean())

    outside = level(slice(0, 30), slice(0, 30))
    lungs = level(slice(150, 260), slice(110, 160)), level(slice(150, 240), slice(350, 400))
    spine = level(slice(420, 490), slice(250, 262))
    heart = level(slice(300, 340), slice(290, 330))
    belly = level(slice(450, 490), slice(100, 180))
    assert outside < 12
    for lung in lungs:
        assert outside + 30 < lung < min(heart, belly) - 40
    assert spine > belly + 8
    assert np.percentile(radiograph, 99) < 255


@pytest.mark.parametrize("size", [(512, 512), (900, 700), (128, 128)])
def test_the_word_synthetic_is_burnt_in_at_the_lower_left(size):
    height, width = size
    radiograph = synthetic_radiograph(0, opacity=False, size=size)
    corner = radiograph[int(0.93 * height) : int(0.985 * height), : int(0.25 * width)].astype(int)
    assert corner.max() >= 225
    bright = (corner > 215).any(axis=0)
    assert bright.mean() > 0.2
    assert np.count_nonzero(np.diff(bright.astype(int))) >= 6  # letters, not a bar


def test_a_radiograph_too_small_to_draw_is_refused():
    with pytest.raises(ValueError, match="at least 64 x 64 pixels, not 63 x 200"):
        synthetic_radiograph(0, opacity=False, size=(63, 200))
