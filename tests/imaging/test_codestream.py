"""What a codestream says of itself, found before a decoder believes it."""

import struct

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from pneumonia.errors import DamagedImage, TooManyPixels
from pneumonia.imaging import Limits, decode, open_upload
from pneumonia.imaging.codestream import Codestream, read_jpeg, read_jpeg2000

DCT = frozenset((0xC0, 0xC1, 0xC2, 0xC3))
RAMP = np.arange(48 * 40, dtype=np.uint16).reshape(40, 48)


@pytest.fixture
def jpeg(compress_frame):
    return bytearray(compress_frame(RAMP, "lossless", 12))


@pytest.fixture
def jpeg2000(compress_frame):
    return bytearray(compress_frame(RAMP, "jpeg-2000", 12))


def test_sizes_and_depths_are_found(jpeg, jpeg2000, compress_frame):
    expected = Codestream(48, 40, 1, 12)
    assert read_jpeg(bytes(jpeg), DCT) == expected
    assert read_jpeg(compress_frame(RAMP, "jpeg-ls", 12), frozenset((0xF7,))) == expected
    assert read_jpeg2000(bytes(jpeg2000)) == expected
    assert read_jpeg2000(compress_frame(RAMP, "htj2k", 16)) == Codestream(48, 40, 1, 16)


def test_padding_behind_the_end_is_allowed(jpeg):
    for padding in (b"\0", b"\xff", b"\0\0\0\0"):
        assert read_jpeg(bytes(jpeg) + padding, DCT).width == 48
    with pytest.raises(ValueError, match="without its end"):
        read_jpeg(bytes(jpeg[:-2]), DCT)


def test_other_processes_are_named(jpeg):
    at = jpeg.index(b"\xff\xc3")
    jpeg[at + 1] = 0xCB
    with pytest.raises(ValueError, match="process that is not decoded"):
        read_jpeg(bytes(jpeg), DCT)


def test_two_frame_headers_are_refused(jpeg):
    at = jpeg.index(b"\xff\xc3")
    length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    with pytest.raises(ValueError, match="marker FFC3"):
        read_jpeg(bytes(jpeg[:at] + jpeg[at : at + length] + jpeg[at:]), DCT)


def test_more_scans_than_a_picture_has_are_refused(jpeg):
    at = jpeg.index(b"\xff\xda")
    scans = bytes(jpeg[at : at + 10]) * 101
    with pytest.raises(ValueError, match=r"10\d scans; at most 100"):
        read_jpeg(bytes(jpeg[:at]) + scans + bytes(jpeg[at:]), DCT)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (16, 1, "does not begin at its first pixel"),  # XOsiz
        (24, 1, "of 5,000 tiles; at most 4,096"),  # XTsiz
        (40, 0x0002, "neither grey nor RGB"),  # Csiz
    ],
)
def test_strange_sizes_of_jpeg_2000_are_refused(at, value, words, jpeg2000):
    form = ">H" if at == 40 else ">I"
    struct.pack_into(form, jpeg2000, at, value)
    if at == 24:
        struct.pack_into(">2I", jpeg2000, 8, 5000, 40)
    with pytest.raises(ValueError, match=words):
        read_jpeg2000(bytes(jpeg2000))


def with_cod(jpeg2000: bytearray, size: int, layers: int, precinct: int) -> bytes:
    """The codestream said to be larger, with its own precincts, of 2 ** ``precinct`` pixels."""
    struct.pack_into(">2I", jpeg2000, 8, size, size)
    struct.pack_into(">2I", jpeg2000, 24, size, size)
    at = jpeg2000.index(b"\xff\x52")
    length = int.from_bytes(jpeg2000[at + 2 : at + 4], "big")
    cod = bytearray(jpeg2000[at + 4 : at + 2 + length])
    cod[0] |= 1
    struct.pack_into(">H", cod, 2, layers)
    cod += bytes([precinct << 4 | precinct] * (cod[5] + 1))
    segment = struct.pack(">HH", 0xFF52, 2 + len(cod)) + cod
    return bytes(jpeg2000[:at] + segment + jpeg2000[at + 2 + length :])


def test_jpeg_2000_may_not_ask_for_countless_precincts_or_layers(jpeg2000):
    assert read_jpeg2000(with_cod(jpeg2000[:], 6000, 1, 8)).width == 6000
    with pytest.raises(ValueError, match="of 11,812,500 precincts"):
        read_jpeg2000(with_cod(jpeg2000[:], 6000, 1, 1))
    with pytest.raises(ValueError, match="of 65,535 layers"):
        read_jpeg2000(with_cod(jpeg2000[:], 6000, 65_535, 8))


def test_coding_that_changes_within_the_picture_is_refused(jpeg2000):
    at = jpeg2000.index(b"\xff\x52")
    length = 2 + int.from_bytes(jpeg2000[at + 2 : at + 4], "big")
    cod = jpeg2000[at : at + length]
    with pytest.raises(ValueError, match="whose coding changes within it"):
        read_jpeg2000(bytes(jpeg2000[:at] + cod + jpeg2000[at:]))
    data_at = jpeg2000.index(b"\xff\x93")  # in the header of its only tile-part, too
    with pytest.raises(ValueError, match="whose coding changes within it"):
        read_jpeg2000(bytes(jpeg2000[:data_at] + cod + jpeg2000[data_at:]))


SIZES = {
    "lossless": b"\xff\xc3",
    "extended": b"\xff\xc1",
    "jpeg": b"\xff\xc0",
    "jpeg-ls": b"\xff\xf7",
}


@pytest.mark.parametrize("syntax", [*SIZES, "jpeg-2000", "htj2k"])
def test_a_codestream_that_lies_about_its_size_is_refused_before_it_is_decoded(
    syntax, encode_dicom
):
    pixels = np.zeros((40, 48), np.uint8 if syntax == "jpeg" else np.uint16)
    data = bytearray(
        encode_dicom(pixels, syntax, **({} if pixels.itemsize == 1 else {"BitsStored": 12}))
    )
    if syntax in SIZES:
        at, form = data.index(SIZES[syntax]) + 5, ">HH"
    else:
        at, form = data.index(b"\xff\x4f\xff\x51") + 8, ">II"
    struct.pack_into(form, data, at, 41, 49)
    with pytest.raises(DamagedImage, match=r"a picture of (49 x 41|41 x 49) pixels.*say 48 x 40"):
        decode(bytes(data))
    struct.pack_into(form, data, at, 60_000, 60_000)
    if syntax not in SIZES:
        struct.pack_into(form, data, at + 16, 60_000, 60_000)
    with pytest.raises(TooManyPixels, match=r"60,000 x 60,000"):
        decode(bytes(data))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ((3, 64, 70, 80), "holds 3 RLE segments"),
        ((2, 64, 64), "do not lie one behind the other"),
        ((2, 70, 80), "do not lie one behind the other"),
        ((2, 64, 2**31), "do not lie one behind the other"),
        ((2**32 - 1, 64, 70), "holds 4,294,967,295 RLE segments"),
    ],
)
def test_rle_headers_are_checked(header, words, encode_dicom):
    data = bytearray(encode_dicom(np.zeros((40, 48), np.uint16), "rle"))
    at = data.index(struct.pack("<II", 2, 64))
    struct.pack_into(f"<{len(header)}I", data, at, *header)
    with pytest.raises(DamagedImage, match=words):
        decode(bytes(data))


def test_rle_runs_beyond_the_picture_are_damage(encode_dicom):
    run = bytes([129, 7]) * 20_000  # 128 bytes for every two
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + run
    data = encode_dicom(np.zeros((40, 48), np.uint8), "rle", PixelData=encapsulate([frame]))
    with pytest.raises(DamagedImage, match="cannot be decoded to the end"):
        decode(data, Limits(max_pixels=2000))


@pytest.mark.parametrize("syntax", ["explicit", "jpeg-2000", "rle"])
def test_a_picture_of_three_colours_counts_three_times(syntax, encode_dicom):
    data = encode_dicom(np.zeros((40, 48, 3), np.uint8), syntax)
    assert open_upload(data).pixels == 3 * 40 * 48
    assert decode(data, Limits(max_pixels=3 * 40 * 48)).width == 48
    with pytest.raises(
        TooManyPixels, match=r"48 x 40 pixels of 3 colours; at most 0.00192 million"
    ):
        decode(data, Limits(max_pixels=3 * 40 * 48 - 1))
