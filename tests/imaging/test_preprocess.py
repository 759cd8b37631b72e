"""The one preprocessing, and the way back for a map."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from pneumonia.imaging.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Geometry,
    PreprocessSpec,
    scale_greys,
    to_square,
)
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.inputs import apply


def _radiograph(seed: int = 1, size: tuple[int, int] = (300, 260)) -> np.ndarray:
    return synthetic_radiograph(seed, opacity=True, size=size).astype(np.float32) / 255


def test_the_spec_survives_the_card():
    spec = PreprocessSpec(size=256, window=(1.0, 99.0), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert PreprocessSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert PreprocessSpec.from_dict(PreprocessSpec().as_dict()) == PreprocessSpec()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 16}, "size must be 32 to 2048 pixels, not 16"),
        ({"size": 4096}, "size must be 32 to 2048 pixels, not 4096"),
        ({"window": [50, 50]}, r"window must be two rising percentiles, not \(50, 50\)"),
        ({"window": [-1, 99]}, "window must be two rising percentiles"),
        ({"window": [0, 101]}, "window must be two rising percentiles"),
        ({"std": [0.2, 0.0, 0.2]}, "std must be positive"),
    ],
)
def test_an_invalid_spec_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        PreprocessSpec.from_dict(values)


def test_an_unknown_key_in_a_spec_is_refused():
    with pytest.raises(TypeError, match="frame"):
        PreprocessSpec.from_dict({"frame": 3})


def test_the_input_is_three_normalised_channels_of_one_grey_square():
    array, geometry = apply(_radiograph(), PreprocessSpec())
    assert array.shape == (3, 224, 224)
    assert array.dtype == np.float32
    grey = [array[c] * IMAGENET_STD[c] + IMAGENET_MEAN[c] for c in range(3)]
    np.testing.assert_allclose(grey[1], grey[0], atol=1e-6)
    np.testing.assert_allclose(grey[2], grey[0], atol=1e-6)
    assert (grey[0].min(), grey[0].max()) == pytest.approx((0, 1), abs=1e-6)
    assert geometry == Geometry(260, 300, (0, 0, 260, 300))


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (0.25, 0.7), (0.9, 0.1), (255 / 4095, 0)])
def test_a_linear_change_of_the_greys_gives_the_same_input_but_for_the_rounding(gain, offset):
    radiograph = _radiograph()
    first, _ = apply(radiograph, PreprocessSpec())
    second, _ = apply(radiograph * np.float32(gain) + np.float32(offset), PreprocessSpec())
    grey_levels = np.abs(second - first) * IMAGENET_STD[0] * 255
    assert np.median(grey_levels) < 1.5


def test_the_window_maps_its_percentiles_to_0_and_1():
    square = np.linspace(0.2, 0.6, 10001, dtype=np.float32).reshape(1, -1)
    out = scale_greys(square, PreprocessSpec(window=(10, 90)))
    assert out[0, 1000] == pytest.approx(0, abs=1e-4)
    assert out[0, 5000] == pytest.approx(0.5, abs=1e-4)
    assert out[0, 9000] == pytest.approx(1, abs=1e-4)
    assert (out.min(), out.max()) == (0, 1)


def test_a_flat_radiograph_gives_a_flat_input_without_dividing_by_zero():
    array, _ = apply(np.full((100, 100), 0.5, np.float32), PreprocessSpec())
    assert np.isfinite(array).all()
    assert np.ptp(array[0]) == 0


def test_a_square_of_the_right_size_is_not_resampled():
    radiograph = _radiograph(size=(224, 224))
    np.testing.assert_array_equal(to_square(radiograph, 224), radiograph)


@pytest.mark.parametrize("size", [(224, 224), (448, 448)])
def test_narrow_greys_are_spread_whatever_the_size(size):
    radiograph = _radiograph(size=size)
    narrow = radiograph * np.float32(0.05) + np.float32(0.3)
    one, two = (to_square(pixels, 224) for pixels in (radiograph, narrow))
    assert np.ptp(two) > 0.95
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.995


def test_a_radiograph_becomes_what_its_public_copy_is():
    levels = synthetic_radiograph(3, opacity=False, size=(700, 900))
    file = io.BytesIO()
    small = Image.fromarray(levels).resize((224, 224), Image.Resampling.BILINEAR)
    small.save(file, "JPEG", quality=75)
    expected = np.asarray(Image.open(file), np.float32) / 255
    square = to_square(levels.astype(np.float32) / 255, 224)
    np.testing.assert_array_equal(square, expected)


def test_fine_stripes_are_averaged_away_not_aliased():
    stripes = np.tile(np.array([0, 1], np.float32), (896, 448))
    np.testing.assert_allclose(to_square(stripes, 224)[:, 2:-2], 0.5, atol=0.02)


def test_the_radiograph_is_not_changed():
    radiograph = _radiograph()
    radiograph.flags.writeable = False
    before = radiograph.copy()
    apply(radiograph, PreprocessSpec())
    np.testing.assert_array_equal(radiograph, before)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (500, 300), (63, 91)])
def test_a_map_over_the_whole_radiograph_equals_cv2_resize(height, width):
    values = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    radiograph = Geometry(width, height, (0, 0, width, height)).to_radiograph(values)
    expected = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    assert radiograph.dtype == np.float32
    np.testing.assert_allclose(radiograph, expected, atol=2e-5)


def test_a_map_over_a_box_is_zero_outside_and_right_inside():
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32) + 10
    radiograph = Geometry(100, 80, (20, 10, 70, 60)).to_radiograph(values)
    inside = np.zeros((80, 100), bool)
    inside[10:60, 20:70] = True
    assert (radiograph[~inside] == 0).all()
    expected = cv2.resize(values, (50, 50), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(radiograph[10:60, 20:70], expected, atol=2e-5)


def test_a_box_beyond_the_radiograph_shows_the_part_of_the_map_that_lies_on_it():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    radiograph = Geometry(40, 40, (-20, 0, 60, 40)).to_radiograph(values)
    expected = cv2.resize(values, (80, 40), interpolation=cv2.INTER_LINEAR)[:, 20:60]
    np.testing.assert_allclose(radiograph, expected, atol=1e-5)


def test_rows_of_a_map_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    geometry = Geometry(101, 83, (-3.5, 10, 90, 79.25))
    whole = geometry.to_radiograph(values)
    parts = [geometry.to_radiograph(values, slice(top, top + 20)) for top in range(0, 83, 20)]
    assert [len(part) for part in parts] == [20, 20, 20, 20, 3]
    # BLAS may add in another order for another number of rows.
    np.testing.assert_allclose(np.vstack(parts), whole, atol=1e-6)


def test_a_map_of_one_cell_is_constant():
    radiograph = Geometry(9, 6, (0, 0, 9, 6)).to_radiograph(np.array([[2.5]], np.float32))
    np.testing.assert_array_equal(radiograph, np.full((6, 9), 2.5, np.float32))
