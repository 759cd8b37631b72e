"""What a screen shows, and the PNG it travels in."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from pneumonia.errors import DamagedImage
from pneumonia.imaging import decode
from pneumonia.imaging.display import decode_png, encode_png, to_display, to_levels
from pneumonia.imaging.png import SPACING_BYTES, read_spacing
from pneumonia.imaging.synthetic import synthetic_radiograph


def test_an_8_bit_radiograph_keeps_its_grey_levels(grey, encode):
    radiograph = decode(encode(Image.fromarray(grey), "PNG"))
    shown = to_display(radiograph.pixels)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, grey)


def test_a_radiograph_that_uses_a_sliver_of_its_depth_is_spread_over_the_screen():
    pixels = np.linspace(0.10, 0.20, 10_000, dtype=np.float32).reshape(100, 100)
    shown = to_display(pixels)
    assert (shown.min(), shown.max()) == (0, 255)
    assert shown.ravel()[5000] == pytest.approx(127.5, abs=1)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


def test_half_of_the_range_is_where_spreading_begins():
    ramp = np.linspace(0, 1, 10_001, dtype=np.float32).reshape(1, -1)
    assert to_display(ramp * np.float32(0.52)).max() == 133
    assert to_display(ramp * np.float32(0.48)).max() == 255


def test_outliers_do_not_hold_the_range():
    pixels = np.linspace(0.10, 0.20, 40_000, dtype=np.float32).reshape(200, 200)
    pixels[0, :20] = 1  # a burnt-in marker: 0.05 % of the pixels
    assert to_display(pixels)[-1, -1] == 255


def test_a_flat_radiograph_stays_what_it_is():
    np.testing.assert_array_equal(to_display(np.full((4, 4), 0.2, np.float32)), 51)


def test_a_large_radiograph_is_shown_as_exactly_in_little_memory():
    grey = np.random.default_rng(0).integers(0, 256, (3000, 2100), np.uint8)
    pixels = np.divide(grey, np.float32(255), dtype=np.float32)
    narrow = pixels * np.float32(0.4) + np.float32(0.3)
    for radiograph, expected in ((pixels, grey), (narrow, grey)):
        tracemalloc.start()
        shown = to_display(radiograph)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        np.testing.assert_allclose(shown.astype(int), expected, atol=1)
        assert peak_bytes < radiograph.nbytes
    np.testing.assert_array_equal(to_display(pixels), grey)


def test_grey_and_colour_survive_the_png():
    radiograph = synthetic_radiograph(1, opacity=True, size=(120, 90))
    colour = np.dstack([radiograph, radiograph // 2, 255 - radiograph])
    for picture in (radiograph, colour):
        back = decode_png(encode_png(picture))
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, picture)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (2, 2, 3), (5, 3, 3), (2100, 1024), (900, 700, 3)]
)
def test_any_png_decoder_reads_the_same_pixels(shape):
    # The larger ones are packed in several bands.
    noise = np.random.default_rng(len(shape)).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(encode_png(noise))) as picture:
        assert picture.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(picture), noise)


def test_a_png_is_as_small_as_libpngs():
    for size in ((1024, 1024), (224, 224)):
        radiograph = synthetic_radiograph(3, opacity=True, size=size)
        buffer = io.BytesIO()
        Image.fromarray(radiograph).save(buffer, "PNG")
        assert len(encode_png(radiograph)) < 1.15 * len(buffer.getvalue())


def test_a_picture_that_lies_scattered_in_memory_is_encoded_as_it_looks():
    turned = np.rot90(synthetic_radiograph(1, opacity=False, size=(90, 64)))
    np.testing.assert_array_equal(decode_png(encode_png(turned)), turned)


def test_the_png_holds_nothing_but_the_picture():
    data = encode_png(synthetic_radiograph(1, opacity=False, size=(64, 64)))
    names, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8])
        at += 12 + length
    assert names[0] == b"IHDR"
    assert set(names[1:-1]) == {b"IDAT"}
    assert names[-1] == b"IEND"


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros(4, np.uint8)])
def test_other_arrays_are_not_encoded(picture):
    with pytest.raises(ValueError, match="uint8 grey or RGB"):
        encode_png(picture)


def test_a_damaged_stored_radiograph_is_said_to_be_damaged():
    data = encode_png(synthetic_radiograph(1, opacity=False, size=(64, 64)))
    with pytest.raises(DamagedImage, match="PNG file"):
        decode_png(data[: len(data) // 2])


@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (3000, 40)])
def test_16_bits_are_read_back_by_any_decoder(shape):
    levels = np.random.default_rng(2).integers(0, 65536, shape, np.uint16)
    with Image.open(io.BytesIO(encode_png(levels))) as picture:
        np.testing.assert_array_equal(np.array(picture), levels)


def test_transparency_is_read_back():
    layer = np.random.default_rng(2).integers(0, 256, (9, 4, 4), np.uint8)
    np.testing.assert_array_equal(decode_png(encode_png(layer)), layer)


@pytest.mark.parametrize("spacing", [(0.143, 0.143), (0.2, 0.25), (1.0, 0.05)])
def test_spacing_is_read_back_from_the_first_bytes(spacing):
    png = encode_png(np.zeros((4, 4), np.uint8), spacing)
    assert read_spacing(png[:SPACING_BYTES]) == pytest.approx(spacing, rel=1e-4)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.info["dpi"] == pytest.approx(
            (25.4 / spacing[1], 25.4 / spacing[0]), rel=1e-3
        )


@pytest.mark.parametrize("spacing", [None, (1e-9, 1e-9), (5000.0, 5000.0)])
def test_a_spacing_that_is_none_or_absurd_is_not_kept(spacing):
    assert read_spacing(encode_png(np.zeros((4, 4), np.uint8), spacing)) is None
    assert read_spacing(b"") is None


def test_a_radiograph_of_8_bits_without_a_window_has_no_more_levels(grey, encode):
    assert to_levels(decode(encode(Image.fromarray(grey), "PNG"))) is None


def test_levels_are_turned_and_inverted_with_the_radiograph(encode_dicom):
    stored = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
    film = decode(
        encode_dicom(stored, BitsStored=12, WindowCenter=99, WindowWidth=50, PixelSpacing=[1, 2])
    )
    assert film.spacing_mm == (1, 2)
    turned = film.turned(90)
    np.testing.assert_array_equal(to_levels(turned), np.rot90(stored, -1))
    assert turned.spacing_mm == (2, 1)
    assert film.turned(180).spacing_mm == (1, 2)
    np.testing.assert_array_equal(to_levels(film.inverted_greys()), 4095 - stored)
