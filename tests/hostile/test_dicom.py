"""Hostile DICOM: each file gets a clear error or a right reading."""

import random
import struct
from itertools import permutations

import numpy as np
import pytest
from pydicom.charset import python_encoding
from pydicom.encaps import encapsulate

from pneumonia.errors import DamagedImage, TooManyPixels
from pneumonia.imaging import decode
from pneumonia.imaging.dicom_checks import ATTRIBUTES
from tests.dicom_files import COMPRESSED, SYNTAXES, encode_dicom, make_table
from tests.hostile.dicom_damage import (
    EMPTY_ITEM,
    FILMS,
    GREY,
    LONG,
    SHORT,
    bounded,
    element,
    film,
    inserted,
    outcome,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on what it finds

# --- files that are cut off -----------------------------------------------------------------------


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_file_cut_off_at_any_byte_of_its_header_is_refused(syntax: str) -> None:
    data = FILMS[syntax]
    mark = b"\x7f\xe0\x00\x10" if syntax == "big" else b"\xe0\x7f\x10\x00"
    header = data.find(mark) + 14 if mark in data else len(data) - 12
    for length in range(header):
        assert outcome(data[:length]) is not None, length


@pytest.mark.parametrize("syntax", [name for name in SYNTAXES if name != "deflated"])
def test_a_file_cut_off_within_its_image_is_damage(syntax: str) -> None:
    data = FILMS[syntax]
    mark = b"\x7f\xe0\x00\x10" if syntax == "big" else b"\xe0\x7f\x10\x00"
    for length in range(data.index(mark) + 14, len(data), 37):
        assert isinstance(outcome(data[:length]), DamagedImage), length


# --- files that lie about their size --------------------------------------------------------------


LIES = {
    0x00280002: (0, 1, 2, 3, 4, 65_535),  # samples per pixel
    0x00280004: (b"MONOCHROME1 ", b"RGB ", b"YBR_FULL_422", b"PALETTE COLOR "),
    0x00280008: (b"-1", b"0 ", b"1 ", b"2 ", b"2147483647", b"9" * 16),  # frames
    0x00280010: (0, 1, 19, 20, 21, 5000, 65_535),  # rows
    0x00280011: (0, 1, 29, 30, 31, 5000, 65_535),  # columns
    0x00280100: (0, 1, 8, 12, 16, 32, 64, 65_535),  # bits allocated, stored, high bit
    0x00280101: (0, 1, 8, 12, 16, 17, 65_535),
    0x00280102: (0, 7, 11, 15, 65_535),
    0x00280103: (0, 1, 2),  # pixel representation
}


@pytest.mark.parametrize("syntax", ["explicit", "jpeg", "lossless", "jpeg-ls", "jpeg-2000", "rle"])
def test_declared_sizes_are_never_believed(syntax: str) -> None:
    """Rows, columns, frames, samples and bits of all sizes; nearly all are lies."""
    draw = random.Random(f"lies {syntax}")
    refused = 0
    with bounded(30e6, 100_000_000):
        for _ in range(200):
            data = FILMS[syntax]
            for tag in draw.sample(sorted(LIES), draw.randint(1, 4)):
                value = draw.choice(LIES[tag])
                raw = value if isinstance(value, bytes) else struct.pack("<H", value)
                vr = {0x00280004: b"CS", 0x00280008: b"IS"}.get(tag, b"US")
                data = inserted(data, 0x7FE00010, element(tag, vr, raw))
            refused += outcome(data) is not None
    assert refused > 120


def test_a_size_beyond_the_limits_is_refused_before_anything_is_allocated() -> None:
    data = film("explicit", Rows=60_000, Columns=60_000)
    with bounded(1e6), pytest.raises(TooManyPixels):
        decode(data)


# --- what the file says is not what it is ---------------------------------------------------------


@pytest.mark.parametrize(("actual", "said"), list(permutations(SYNTAXES, 2)))
def test_a_wrong_transfer_syntax_is_refused_or_makes_no_difference(actual: str, said: str) -> None:
    data = FILMS[actual]
    length = 144 + int.from_bytes(data[140:144], "little")
    meta, body = data[:length], data[length:]
    old, new = (SYNTAXES[name].encode() for name in (actual, said))
    old, new = (uid + b"\0" * (len(uid) % 2) for uid in (old, new))
    at = meta.index(b"\x02\0\x10\0UI")
    tail = meta[at + 8 + len(old) :]
    meta = meta[: at + 6] + struct.pack("<H", len(new)) + new + tail
    meta = meta[:140] + struct.pack("<I", len(meta) - 144) + meta[144:]
    if outcome(meta + body) is None:
        np.testing.assert_array_equal(decode(meta + body).pixels, decode(data).pixels)


@pytest.mark.parametrize("vr", SHORT + LONG, ids=bytes.decode)
def test_a_wrong_value_representation_is_refused_or_read(vr: bytes) -> None:
    """Each attribute that is read comes as something else."""
    values = {"Rows": struct.pack("<H", 20), "Columns": struct.pack("<H", 30)}
    for name, text in ATTRIBUTES.items():
        tag = int(text[1:5] + text[6:10], 16)
        if tag in (0x00020010, 0x7FE00010):
            continue
        for value in (values.get(name, b"1 "), b"", b"\xff" * 8, b"1\\2\\3\\4 "):
            data = inserted(FILMS["explicit"], 0x7FE00010, element(tag, vr, value))
            outcome(data)


@pytest.mark.parametrize("vr", SHORT + LONG, ids=bytes.decode)
def test_pixel_data_of_any_value_representation_is_read_or_refused(vr: bytes) -> None:
    data = FILMS["explicit"]
    at = data.index(b"\xe0\x7f\x10\x00")
    changed = data[:at] + element(0x7FE00010, vr, GREY.tobytes())
    if outcome(changed) is None:
        np.testing.assert_array_equal(decode(changed).pixels, decode(data).pixels)


@pytest.mark.parametrize("name", ["Modality", "ViewPosition", "PatientAge", "WindowCenter"])
def test_values_of_odd_length_are_read(name: str) -> None:
    value = {"WindowCenter": b"128", "PatientAge": b"5"}.get(name, b"AP1")
    tag = int(ATTRIBUTES[name][1:5] + ATTRIBUTES[name][6:10], 16)
    new = element(tag, b"DS" if name == "WindowCenter" else b"CS", value)
    assert outcome(inserted(FILMS["explicit"], 0x7FE00010, new)) is None


def test_an_image_of_odd_length_is_read() -> None:
    pixels = GREY[:19, :29]
    data = encode_dicom(pixels, PixelData=pixels.tobytes())
    assert outcome(data) is None
    assert len(pixels.tobytes()) % 2 == 1


def test_no_pixels_where_they_should_be_is_damage() -> None:
    for pixels in (b"", bytes(2)):
        assert isinstance(outcome(film("explicit", PixelData=pixels)), DamagedImage)
    for syntax in COMPRESSED:
        for pixels in (EMPTY_ITEM, EMPTY_ITEM * 2, encapsulate([b"\0\0"])):
            assert isinstance(outcome(film(syntax, PixelData=pixels)), DamagedImage), syntax
    data = FILMS["rle"]
    at = data.index(b"\xe0\x7f\x10\x00")
    for length in (0, 8):
        plain = data[:at] + element(0x7FE00010, b"OB", bytes(length))
        error = outcome(plain)
        assert "is not compressed, but the transfer syntax (0002,0010) is RLE" in str(error)


# --- what surrounds the data set ------------------------------------------------------------------


@pytest.mark.parametrize(
    "preamble",
    [
        b"MZ\x90\0",
        b"\x7fELF\2\1\1",
        b"#!/bin/sh\nrm -rf /\n",
        b"PK\x03\x04",
        b"%PDF-1.7\n",
        b"II*\0",
    ],
)
@pytest.mark.parametrize("syntax", ["explicit", "deflated", "jpeg-2000"])
def test_a_preamble_that_is_a_program_makes_no_difference(preamble: bytes, syntax: str) -> None:
    """CVE-2019-11687: it is neither looked at nor kept; what is kept is a PNG of the pixels."""
    data = preamble.ljust(128, b"\xcc") + FILMS[syntax][128:]
    np.testing.assert_array_equal(decode(data).pixels, decode(FILMS[syntax]).pixels)


CHARACTER_SETS = [*python_encoding, "ISO_IR 999", "\\ISO 2022 IR 87", "\\".join(["GB18030"] * 99)]


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_every_character_set_is_read(name: str) -> None:
    codec = python_encoding.get(name, "latin-1")
    patient = "Doe^Jäne^山田^Люкceмбypг".encode(codec, "replace") + b"\x1b$B\xff\xfe"
    new = element(0x00080005, b"CS", name.encode()) + element(0x00080060, b"CS", b"DX")
    data = inserted(FILMS["explicit"], 0x00080016, new)
    data = inserted(data, 0x00100020, element(0x00100010, b"PN", patient))
    assert outcome(data) is None
    assert decode(data).facts.modality in ("DX", "")


# --- anything at all ------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_damage_anywhere_is_refused_or_read(syntax: str) -> None:
    draw = random.Random(f"damage {syntax}")
    table = make_table([0, 9, 99, 255], first=0, bits=8)
    source = film(syntax, VOILUTSequence=[table], WindowCenter=9, WindowWidth=9)
    refused = 0
    with bounded(100e6, 100_000_000):
        for _ in range(120):
            data = bytearray(source)
            for _ in range(draw.choice((1, 2, 5, 20))):
                at = draw.randrange(132, len(data))
                match draw.randrange(4):
                    case 0:
                        del data[at : at + draw.randrange(1, 40)]
                    case 1:
                        data[at:at] = draw.randbytes(draw.randrange(1, 20))
                    case _:
                        data[at % len(data)] = draw.choice((0, 1, 127, 128, 254, 255))
            refused += outcome(bytes(data)) is not None
    assert refused > 40
