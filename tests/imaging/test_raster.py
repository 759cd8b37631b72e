"""JPEG and PNG: every variant to the same grey levels."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from pneumonia.errors import DamagedImage, UnsupportedEncoding
from pneumonia.imaging import decode
from pneumonia.imaging.colour import WARNING as COLOUR_WARNING
from pneumonia.imaging.raster import CAMERA_WARNING


def test_grey_png_gives_levels_over_255(grey, encode):
    radiograph = decode(encode(Image.fromarray(grey), "PNG"))
    assert (radiograph.format, radiograph.width, radiograph.height, radiograph.bits) == (
        "PNG",
        32,
        8,
        8,
    )
    assert radiograph.value_range == (0, 255)
    assert radiograph.warnings == ()
    np.testing.assert_array_equal(radiograph.pixels, grey.astype(np.float32) / np.float32(255))
    assert radiograph.pixels.max() == 1
    assert not radiograph.pixels.flags.writeable
    assert radiograph.pixels.flags.c_contiguous


def test_grey_jpeg_gives_what_pillow_decodes(encode):
    ramp = np.tile(np.arange(40, 200, dtype=np.uint8), (64, 1))
    data = encode(Image.fromarray(ramp), "JPEG", quality=90)
    radiograph = decode(data)
    assert (radiograph.format, radiograph.bits) == ("JPEG", 8)
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(radiograph.pixels * 255 - other).max() <= 1.01  # decoders may round differently
    assert np.abs(radiograph.pixels * 255 - ramp).max() <= 3


@pytest.mark.parametrize(
    ("largest", "bits"), [(200, 8), (255, 8), (256, 10), (4095, 12), (16383, 14), (65535, 16)]
)
def test_16_bit_png_keeps_its_bits(largest, bits, encode):
    values = np.linspace(0, largest, 256).astype(np.uint16).reshape(8, 32)
    radiograph = decode(encode(Image.fromarray(values), "PNG"))
    assert radiograph.bits == bits
    assert radiograph.value_range == (0, largest)
    np.testing.assert_array_equal(radiograph.pixels, values.astype(np.float32) / (2**bits - 1))


def test_a_step_of_one_in_16_bits_survives(encode):
    values = np.array([[40000, 40001], [65535, 0]], np.uint16)
    pixels = decode(encode(Image.fromarray(values), "PNG")).pixels
    assert (pixels[0, 1] - pixels[0, 0]) * 65535 == pytest.approx(1, abs=0.01)


def test_1_bit_png_is_black_and_white(encode):
    board = np.indices((8, 8)).sum(0) % 2
    radiograph = decode(encode(Image.fromarray(board.astype(bool)), "PNG"))
    assert radiograph.bits == 1
    np.testing.assert_array_equal(radiograph.pixels, board)


@pytest.mark.parametrize("depth", [2, 4])
def test_2_and_4_bit_png_span_the_whole_range(depth):
    levels = 2**depth
    row = int("".join(f"{v:0{depth}b}" for v in range(levels)), 2).to_bytes(levels * depth // 8)
    radiograph = decode(_png(levels, 1, depth, 0, b"\0" + row))
    np.testing.assert_allclose(radiograph.pixels[0], np.linspace(0, 1, levels), atol=1e-6)


def test_palette_png_gives_the_colours_not_the_indices(encode):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    picture.putpalette([9, 9, 9, 200, 200, 200, 77, 77, 77])
    radiograph = decode(encode(picture, "PNG"))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[9, 200, 77]])
    assert radiograph.warnings == ()


def test_palette_transparency_is_composited_over_black(encode):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    picture.putpalette([250, 250, 250, 200, 200, 200])
    radiograph = decode(encode(picture, "PNG", transparency=0))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 200]])


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_rgb_that_is_grey_equals_the_grey_file_and_has_no_warning(name, grey, encode):
    flat = np.repeat(np.repeat(grey, 8, 0), 8, 1)
    radiograph = decode(encode(Image.fromarray(np.dstack([flat] * 3)), name, quality=95))
    one = decode(encode(Image.fromarray(flat), name, quality=95))
    assert np.abs(radiograph.pixels - one.pixels).max() <= (0 if name == "PNG" else 1.01 / 255)
    assert radiograph.warnings == ()


def test_colour_is_read_as_luma_with_a_warning(encode):
    rgb = np.zeros((10, 30, 3), np.uint8)
    rgb[:, :10, 0] = rgb[:, 10:20, 1] = rgb[:, 20:, 2] = 255
    radiograph = decode(encode(Image.fromarray(rgb), "PNG"))
    np.testing.assert_allclose(radiograph.pixels[0, ::10], [0.299, 0.587, 0.114], atol=0.003)
    assert radiograph.warnings == ("The picture has colour; a chest X-ray is grey.",)


def test_a_small_coloured_marker_is_not_called_a_colour_picture(encode):
    rgb = np.full((200, 200, 3), 90, np.uint8)
    rgb[:6, :6] = (255, 0, 0)  # 36 of 40,000 pixels
    assert decode(encode(Image.fromarray(rgb), "PNG")).warnings == ()
    rgb[:8, :8] = (255, 0, 0)
    assert decode(encode(Image.fromarray(rgb), "PNG")).warnings == (COLOUR_WARNING,)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_composited_over_black(mode, encode):
    picture = Image.new(mode, (4, 1), (200,) * (len(mode) - 1) + (255,))
    picture.putalpha(Image.fromarray(np.array([[255, 128, 1, 0]], np.uint8)))
    radiograph = decode(encode(picture, "PNG"))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[200, 100, 1, 0]])


def test_a_transparent_grey_of_a_grey_png_is_black(encode):
    values = np.array([[7, 8]], np.uint8)
    radiograph = decode(encode(Image.fromarray(values), "PNG", transparency=7))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 8]])


def test_a_transparent_grey_of_a_16_bit_png_is_black():
    rows = b"\0" + struct.pack(">2H", 30000, 50000)
    radiograph = decode(_png(2, 1, 16, 0, rows, (b"tRNS", struct.pack(">H", 30000))))
    np.testing.assert_allclose(radiograph.pixels, [[0, 50000 / 65535]], atol=1e-7)


def test_16_bit_rgb_png_is_read_at_8_bits():
    rows = b"\0" + struct.pack(">6H", *[0x8080] * 3, *[0xFFFF] * 3)
    radiograph = decode(_png(2, 1, 16, 2, rows))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[128, 255]])
    assert radiograph.bits == 8


def _cornered() -> np.ndarray:
    upright = np.full((32, 48), 60, np.uint8)
    upright[:16, :16], upright[:16, 32:], upright[16:, :16] = 250, 180, 120
    return upright


# What a camera stores for an upright scene, by the tag's definition (EXIF 2.32, 0112).
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a.T, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_exif_orientation_is_undone(orientation, name, encode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](_cornered()))
    radiograph = decode(encode(Image.fromarray(stored), name, exif=exif))
    assert (radiograph.height, radiograph.width) == (32, 48)
    assert np.abs(radiograph.pixels * 255 - _cornered()).max() <= 2


def test_orientation_applies_to_16_bits_too(encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.array([[0, 10000, 65535]], np.uint16)
    radiograph = decode(encode(Image.fromarray(values), "PNG", exif=exif))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 65535), [[0], [10000], [65535]])


def test_an_unknown_orientation_leaves_the_picture_as_it_is(grey, encode):
    exif = Image.Exif()
    exif[0x0112] = 99
    radiograph = decode(encode(Image.fromarray(grey), "PNG", exif=exif))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), grey)


@pytest.mark.parametrize("tag", [33434, 33437, 37386], ids=["exposure", "aperture", "focal length"])
def test_a_picture_that_a_camera_took_is_warned_of(tag, grey, encode):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[tag] = 4.0
    radiograph = decode(encode(Image.fromarray(grey), "JPEG", exif=exif))
    assert radiograph.warnings == (CAMERA_WARNING,)


def test_a_scanner_that_names_itself_is_no_camera(grey, encode):
    exif = Image.Exif()
    exif[271], exif[305] = "A maker", "A program"
    assert decode(encode(Image.fromarray(grey), "JPEG", exif=exif)).warnings == ()


def test_cmyk_jpeg_is_refused(encode):
    with pytest.raises(UnsupportedEncoding, match=r"CMYK.*Save it again as grey or RGB"):
        decode(encode(Image.new("CMYK", (20, 20)), "JPEG"))


def test_animated_png_is_refused(encode):
    frames = [Image.new("L", (8, 8), level) for level in (10, 90)]
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedEncoding, match=r"animated PNG.*Save the one frame"):
        decode(data)


def test_the_first_picture_of_a_multi_picture_jpeg_is_read(encode):
    first, second = Image.new("L", (64, 32), 200), Image.new("L", (16, 16), 10)
    radiograph = decode(encode(first, "MPO", save_all=True, append_images=[second]))
    assert (radiograph.format, radiograph.width, radiograph.height) == ("JPEG", 64, 32)
    assert np.rint(radiograph.pixels.mean() * 255) == 200
    assert radiograph.warnings == ("The file holds 2 pictures; the first was read.",)


def test_progressive_jpeg_is_read_but_not_with_hundreds_of_scans(encode):
    data = encode(Image.fromarray(_cornered()), "JPEG", progressive=True)
    assert decode(data).width == 48
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(UnsupportedEncoding, match=r"coded in \d+ scans; at most 100"):
        decode(data[:-2] + 200 * scan + data[-2:])


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_truncated_picture_is_never_half_read(name, encode):
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 256, (40, 60), np.uint8)
    data = encode(Image.fromarray(whole), name)
    expected = decode(data).pixels
    sentences = []
    for length in range(20, len(data), 7):
        try:
            radiograph = decode(data[:length])
        except DamagedImage as error:
            sentences.append((length, str(error)))
        else:  # only the trailer was lost
            np.testing.assert_array_equal(radiograph.pixels, expected)
            assert len(data) - length < 24
    assert len(sentences) > 100
    for length, sentence in sentences:
        assert f"The {name} file ({length:,} bytes) cannot be decoded to the end" in sentence
        assert "Copy or export the film again." in sentence


def test_flipped_bytes_in_a_png_are_damage(grey, encode):
    data = bytearray(encode(Image.fromarray(grey), "PNG"))
    at = data.index(b"IDAT") + 8
    data[at : at + 8] = b"\xff" * 8
    with pytest.raises(DamagedImage, match="PNG file"):
        decode(bytes(data))


def test_a_png_without_image_data_is_damaged():
    data = _png(100, 100, 8, 0, b"")
    data = data[: data.index(b"IDAT") - 4] + data[-12:]
    with pytest.raises(DamagedImage, match="cut off or damaged"):
        decode(data)


def _png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG written by hand: depths and chunks that no library writes on request."""
    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
