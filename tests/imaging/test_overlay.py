"""The map over the film: a fixed scale, and nothing painted where there is nothing to say."""

import colorsys
import tracemalloc

import numpy as np
import pytest

from pneumonia.imaging.overlay import (
    CONTOUR_LEVELS,
    LAYER_PIXELS,
    colour_stops,
    contours,
    legend,
    map_layer,
    ramp,
    render,
)
from pneumonia.imaging.preprocess import Geometry
from pneumonia.imaging.synthetic import synthetic_radiograph

RADIOGRAPH = synthetic_radiograph(2, opacity=True, size=(96, 128))
WHOLE = Geometry(128, 96, (0, 0, 128, 96))


def _values(level: float) -> np.ndarray:
    return np.full((7, 7), level, np.float32)


def _as_rgb(radiograph: np.ndarray) -> np.ndarray:
    return np.dstack([radiograph] * 3)


@pytest.mark.parametrize("level", [0.0, -0.01, -50.0])
def test_without_evidence_the_radiograph_is_untouched_bit_for_bit(level):
    np.testing.assert_array_equal(
        render(RADIOGRAPH, _values(level), 1.0, WHOLE, 1.0), _as_rgb(RADIOGRAPH)
    )


def test_opacity_0_gives_the_radiograph():
    np.testing.assert_array_equal(
        render(RADIOGRAPH, _values(5), 1.0, WHOLE, 0.0), _as_rgb(RADIOGRAPH)
    )


def test_full_strength_at_opacity_1_is_the_last_colour_everywhere():
    painted = render(RADIOGRAPH, _values(1), 1.0, WHOLE, 1.0)
    np.testing.assert_array_equal(painted, np.broadcast_to(legend(256, 1)[0, -1], painted.shape))


def test_half_opacity_is_a_linear_blend_of_radiograph_and_colour():
    painted = render(RADIOGRAPH, _values(1), 1.0, WHOLE, 0.5)
    expected = 0.5 * _as_rgb(RADIOGRAPH) + 0.5 * legend(256, 1)[0, -1]
    assert np.abs(painted - expected).max() <= 0.5


def test_strength_is_relative_to_full_scale_and_saturates():
    np.testing.assert_array_equal(
        render(RADIOGRAPH, _values(3), 6.0, WHOLE, 0.7),
        render(RADIOGRAPH, _values(0.5), 1.0, WHOLE, 0.7),
    )
    np.testing.assert_array_equal(
        render(RADIOGRAPH, _values(60), 6.0, WHOLE, 0.7),
        render(RADIOGRAPH, _values(6), 6.0, WHOLE, 0.7),
    )


def test_only_the_positive_side_is_painted():
    values = np.where(np.arange(8) < 4, -4, 4).astype(np.float32)[None].repeat(8, 0)
    painted = render(RADIOGRAPH, values, 4.0, WHOLE, 0.6)
    left, right = slice(0, 56), slice(80, 128)
    np.testing.assert_array_equal(painted[:, left], _as_rgb(RADIOGRAPH)[:, left])
    assert (painted[:, right] != _as_rgb(RADIOGRAPH)[:, right]).any(axis=2).all()


def test_outside_the_box_of_the_input_nothing_is_painted():
    box = Geometry(128, 96, (32, 24, 96, 72))
    painted = render(RADIOGRAPH, _values(1), 1.0, box, 1.0)
    outside = np.ones(RADIOGRAPH.shape, bool)
    outside[24:72, 32:96] = False
    np.testing.assert_array_equal(painted[outside], _as_rgb(RADIOGRAPH)[outside])
    assert (painted[~outside] == legend(2, 1)[0, 1]).all()


def test_more_evidence_moves_every_pixel_further_from_the_radiograph():
    radiograph = np.full((8, 8), 40, np.uint8)  # darker than every colour of the map
    geometry = Geometry(8, 8, (0, 0, 8, 8))
    strengths = np.linspace(0, 1, 40, dtype=np.float32)
    painted = [
        render(radiograph, _values(s), 1.0, geometry, 0.6)[0, 0].astype(int) for s in strengths
    ]
    luminance = [p @ [0.299, 0.587, 0.114] for p in painted]
    assert (np.diff(luminance) >= 0).all()
    assert luminance[-1] - luminance[0] > 80


def test_weak_evidence_is_faint():
    strengths = np.array([0, 0.04, 0.1, 0.25, 0.5, 1], np.float32)
    thickness = ramp(strengths)
    assert (thickness[0], thickness[1], thickness[-1]) == (0, 0, 1)
    assert thickness[2] < 0.02
    assert thickness[3] < 0.15
    assert (np.diff(ramp(np.linspace(0, 1, 500, dtype=np.float32))) >= 0).all()


def test_the_colours_rise_in_lightness_and_none_is_a_grey():
    colours = legend(64, 1)[0] / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16  # CIE L*
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 2.5 * steps.mean()
    assert min(colorsys.rgb_to_hsv(*rgb)[1] for rgb in colours) > 0.35


def test_the_legend_and_the_css_stops_are_one_scale():
    picture = legend(5, 3)
    assert picture.shape == (3, 5, 3)
    np.testing.assert_array_equal(picture[0], picture[2])
    stops = colour_stops(5)
    assert stops == [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in picture[0]]
    painted = render(RADIOGRAPH, _values(1), 1.0, WHOLE, 1.0)[0, 0]
    assert stops[-1] == "#" + bytes(painted).hex()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"opacity": 1.1}, "opacity must be 0 to 1, not 1.1"),
        ({"opacity": float("nan")}, "opacity must be 0 to 1, not nan"),
        ({"full_scale": 0}, "full_scale must be positive, not 0"),
        ({"geometry": Geometry(96, 128, (0, 0, 96, 128))}, "the geometry is of a film"),
    ],
)
def test_values_out_of_range_are_refused(changes, sentence):
    arguments = {"full_scale": 1.0, "geometry": WHOLE, "opacity": 0.5} | changes
    with pytest.raises(ValueError, match=sentence):
        render(RADIOGRAPH, _values(1), **arguments)


def test_a_radiograph_of_many_bands_is_painted_as_if_in_one_and_in_little_memory():
    height, width = 2500, 2300
    radiograph = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    values = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32)
    geometry = Geometry(width, height, (-30.5, 20, width - 7, height + 11))
    tracemalloc.start()
    painted = render(radiograph, values, 2.0, geometry, 0.6)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The picture itself, three bytes a pixel, and one band of floats: not a film of them.
    assert peak_bytes < 3 * radiograph.size + 32 * 2**20

    steps = np.rint(np.clip(geometry.to_radiograph(values) * np.float32(0.5), 0, 1) * 255).astype(
        int
    )
    alpha = (np.float32(0.6) * ramp(np.linspace(0, 1, 256, dtype=np.float32)))[steps, None]
    colours = legend(256, 1)[0][steps]
    expected = radiograph[..., None] * (1 - alpha) + alpha * colours
    assert np.abs(painted - expected).max() <= 0.51


def test_the_layer_of_a_large_film_is_small_and_lies_where_the_map_does():
    values = np.zeros((7, 7), np.float32)
    values[1, 5] = 1
    large = Geometry(3000, 2000, (300, 200, 2700, 1800))
    layer = map_layer(values, 1.0, large)
    assert layer.shape == (round(LAYER_PIXELS * 2 / 3), LAYER_PIXELS, 4)
    y, x = np.unravel_index(layer[..., 3].argmax(), layer.shape[:2])
    assert x / layer.shape[1] == pytest.approx((300 + 5.5 / 7 * 2400) / 3000, abs=0.01)
    assert y / layer.shape[0] == pytest.approx((200 + 1.5 / 7 * 1600) / 2000, abs=0.01)
    assert layer[0, 0, 3] == 0


def test_contours_lie_within_one_another_in_the_colours_of_the_map():
    values = np.zeros((7, 7), np.float32)
    values[3, 3] = 1
    found = contours(values, 1.0, WHOLE)
    assert [contour.level for contour in found] == list(CONTOUR_LEVELS)
    palette = ["#" + bytes(pixel).hex() for pixel in legend(256, 1)[0]]
    widths = []
    for contour in found:
        assert contour.colour in palette
        (polygon,) = contour.polygons
        xs, ys = np.array(polygon).T
        assert (xs.mean(), ys.mean()) == pytest.approx((0.5, 0.5), abs=0.02)
        widths.append(np.ptp(xs))
    assert widths == sorted(widths, reverse=True)
    # Bilinear from 0 to 1 over a seventh of the film each way.
    assert widths == pytest.approx([2 * (1 - level) / 7 for level in CONTOUR_LEVELS], abs=0.03)


def test_a_weak_map_has_no_contours_and_a_full_one_is_closed_at_the_edge():
    assert contours(_values(0.2), 1.0, WHOLE) == []
    (polygon,) = contours(_values(1), 1.0, WHOLE)[0].polygons
    assert (np.array(polygon).min(), np.array(polygon).max()) == pytest.approx((0, 1), abs=0.02)
