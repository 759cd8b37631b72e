"""The crop around the lungs: the same lungs give the same input, wherever and however they lie."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square, crop_box
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.inputs import apply

SPEC = PreprocessSpec(size=96, grid=224, crop="lungs", levels="lungs", margin=0.15)


def radiograph(height: int = 300, width: int = 260) -> np.ndarray:
    return synthetic_radiograph(1, opacity=True, size=(height, width)).astype(np.float32) / 255


def box_lungs(x0: float, y0: float, x1: float, y1: float, side: int = 224) -> Lungs:
    drawn = np.zeros((side, side), np.float32)
    rows, middle = np.s_[round(y0 * side) : round(y1 * side)], (x0 + x1) / 2
    drawn[rows, round(x0 * side) : round((middle - 0.03) * side)] = 1
    drawn[rows, round((middle + 0.03) * side) : round(x1 * side)] = 1
    return Lungs(drawn)


LUNGS = box_lungs(0.25, 0.25, 0.75, 0.75)


def test_the_crop_is_the_lungs_box_and_its_margin() -> None:
    assert crop_box(SPEC, LUNGS) == pytest.approx((0.175, 0.175, 0.825, 0.825))
    _, geometry = apply(radiograph(), SPEC, LUNGS)
    assert (geometry.width, geometry.height) == (260, 300)
    assert geometry.box == pytest.approx((45.5, 52.5, 214.5, 247.5))


def test_without_lungs_the_whole_radiograph_is_shown() -> None:
    for lungs in (None, Lungs(np.zeros((224, 224), np.float32))):
        _, geometry = apply(radiograph(), SPEC, lungs)
        assert geometry.box == (0, 0, 260, 300)


def test_the_shape_of_the_radiograph_tells_nothing() -> None:
    """A film, and the same one squashed: the input is the same but for the resampling."""
    one = radiograph(448, 448)
    squashed = cv2.resize(one, (448, 224), interpolation=cv2.INTER_AREA)
    a, b = (apply(pixels, SPEC, LUNGS)[0] for pixels in (one, squashed))
    assert np.abs(a - b).mean() < 0.05


def test_borders_have_no_say_in_the_grey_levels() -> None:
    plain = radiograph(224, 224)
    marked = plain.copy()
    marked[:20], marked[-20:] = 1, 0
    a, b = (apply(pixels, SPEC, LUNGS)[0] for pixels in (plain, marked))
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.1), (0.8, 0.2)])
def test_exposure_has_no_say_in_the_grey_levels(gain, offset) -> None:
    a, b = (
        apply(pixels, SPEC, LUNGS)[0] for pixels in (radiograph(), radiograph() * gain + offset)
    )
    inner = np.s_[:, 30:66, 30:66]
    assert np.median(np.abs(a[inner] - b[inner])) < 0.05  # eight bits, and JPEG


def test_a_map_comes_back_to_where_the_lungs_are() -> None:
    """What lights up in the middle of the input lies in the middle of the lungs on the film."""
    _, geometry = apply(radiograph(300, 600), SPEC, box_lungs(0.5, 0.25, 0.9, 0.75))
    heat = np.zeros((7, 7), np.float32)
    heat[3, 3] = 1
    on_radiograph = geometry.to_radiograph(heat)
    y, x = np.unravel_index(on_radiograph.argmax(), on_radiograph.shape)
    assert (x / 600, y / 300) == pytest.approx((0.7, 0.5), abs=0.01)
    assert on_radiograph[:, : int(0.42 * 600)].max() == 0


def test_a_flat_radiograph_gives_no_noise_enlarged() -> None:
    flat = np.full((224, 224), 0.5, np.float32)
    flat += np.random.default_rng(0).normal(0, 0.001, flat.shape).astype(np.float32)
    spec = replace(SPEC, mean=(0, 0, 0), std=(1, 1, 1))
    grey, _ = apply_to_square(flat, (224, 224), spec, LUNGS)
    assert np.abs(grey - 0.5).max() < 0.05


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"crop": "heart"}, "crop 'heart'"),
        ({"levels": "mean"}, "levels 'mean'"),
        ({"margin": 1.5}, "margin must be 0 to 1"),
        ({"grid": 8}, "grid must be 32 to 2048"),
    ],
)
def test_an_invalid_crop_is_refused(values, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        PreprocessSpec.from_dict(values)
