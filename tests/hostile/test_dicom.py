"""Hostile DICOM: each file gets a clear error or a right reading, within bounds on work and memory.

Work is counted in Python calls and memory in bytes, never in seconds.
"""

import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from pydicom.charset import python_encoding
from pydicom.encaps import encapsulate

from pneumonia.config import ROOT
from pneumonia.errors import DamagedImage, FileTooLarge, ImageError, TooManyPixels
from pneumonia.imaging import decode
from pneumonia.imaging.dicom_checks import ATTRIBUTES
from tests.dicom_files import COMPRESSED, SYNTAXES, encode_dicom, make_table

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on what it finds

GREY = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
LONG = b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()
SHORT = b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
EMPTY_ITEM = b"\xfe\xff\0\xe0" + bytes(4)
MANY_CALLS = 700_000
"""Of Python: what the scan needs for the most elements it counts, ten times those of a film."""


def film(syntax: str, **attributes: object) -> bytes:
    pixels = GREY if syntax in ("jpeg", "explicit") else GREY.astype(np.uint16) * 16
    bits = {} if pixels.itemsize == 1 else {"BitsStored": 12}
    return encode_dicom(pixels, syntax, **(bits | attributes))


FILMS = {syntax: film(syntax) for syntax in SYNTAXES}


def outcome(data: bytes) -> ImageError | None:
    """The refusal, or None for a film of the right size; anything else that is raised is a bug."""
    try:
        radiograph = decode(data)
    except ImageError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert len(str(refusal)) > 30
        assert "Doe" not in str(refusal)
        return refusal
    assert 0 <= radiograph.pixels.min() <= radiograph.pixels.max() <= 1
    return None


@contextmanager
def bounded(max_bytes: float, max_calls: int = MANY_CALLS) -> Iterator[None]:
    """Python's memory and Python's calls within, and no more than these."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    decode(FILMS["rle"])  # what is imported once is not the file's cost
    tracemalloc.start()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < max_bytes
    assert calls < max_calls


def element(tag: int, vr: bytes, value: bytes, *, implicit: bool = False) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    if vr in LONG:
        return head + vr + struct.pack("<HI", 0, len(value)) + value
    return head + vr + struct.pack("<H", len(value)) + value


def inserted(data: bytes, before: int, new: bytes) -> bytes:
    """The file with an element before the one of that tag, deflated again if it was."""
    mark = struct.pack("<HH", before >> 16, before & 0xFFFF)
    start = 144 + int.from_bytes(data[140:144], "little")
    if SYNTAXES["deflated"].encode() not in data[:start]:
        at = data.index(mark, start)
        return data[:at] + new + data[at:]
    inflated = zlib.decompress(data[start:], -zlib.MAX_WBITS)
    at = inflated.index(mark)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(inflated[:at] + new + inflated[at:])
    return data[:start] + packed + packer.flush()


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


# --- many values, elements, items and fragments ---------------------------------------------------


FLOODS = {
    "5 million values in a window": lambda: inserted(
        FILMS["implicit"], 0x7FE00010, element(0x00281050, b"", b"1\\" * 5_000_000, implicit=True)
    ),
    "30,000 values in a window": lambda: inserted(
        FILMS["explicit"], 0x7FE00010, element(0x00281050, b"DS", b"1\\" * 30_000)
    ),
    "a million fragments": lambda: film("jpeg", PixelData=EMPTY_ITEM * 1_000_000),
    "an offset table of 10 million frames": lambda: film(
        "jpeg", PixelData=b"\xfe\xff\0\xe0" + struct.pack("<I", 40_000_000) + bytes(40_000_000)
    ),
    "50,000 attributes": lambda: inserted(
        FILMS["explicit"],
        0x7FE00010,
        b"".join(element(0x00310000 + n, b"CS", b"") for n in range(0x10, 0xD000)),
    ),
    "a table's sequence of 100,000 items": lambda: inserted(
        FILMS["explicit"], 0x7FE00010, element(0x00283010, b"SQ", EMPTY_ITEM * 100_000)
    ),
    "a table's sequence of 100,000 items, implicit": lambda: inserted(
        FILMS["implicit"],
        0x7FE00010,
        element(0x00283000, b"", EMPTY_ITEM * 100_000, implicit=True),
    ),
    "a table's sequence of 100,000 items, of unknown kind": lambda: inserted(
        FILMS["explicit"], 0x7FE00010, element(0x00283010, b"UN", EMPTY_ITEM * 100_000)
    ),
    "a table of 4,000 items": lambda: inserted(
        FILMS["explicit"], 0x7FE00010, element(0x00283010, b"SQ", EMPTY_ITEM * 4000)
    ),
    "a palette of 4 MB": lambda: inserted(
        FILMS["explicit"], 0x7FE00010, element(0x00281201, b"OW", bytes(4_000_000))
    ),
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_is_refused_without_work_or_memory(what: str) -> None:
    data = FLOODS[what]()
    with bounded(2e6), pytest.raises(DamagedImage):
        decode(data)


@pytest.mark.parametrize(
    "flood",
    [
        element(0x00310010, b"OB", bytes(100_000_000)),
        element(0x00310010, b"UN", EMPTY_ITEM * 12_000_000),
    ],
    ids=["zeros", "items"],
)
def test_a_deflated_flood_before_the_image_is_not_unpacked(flood: bytes) -> None:
    data = inserted(FILMS["deflated"], 0x7FE00010, flood)
    assert len(data) < 400_000
    with bounded(60e6), pytest.raises(FileTooLarge, match="more than 16 MB before its image"):
        decode(data)


def test_a_deflated_image_is_unpacked_no_further_than_it_is_large() -> None:
    data = encode_dicom(GREY, "deflated", PixelData=bytes(100_000_000))
    assert len(data) < 400_000
    with bounded(60e6), pytest.raises(FileTooLarge, match="before a film of 600 values ends"):
        decode(data)


@pytest.mark.parametrize("length", [0, 1, 7, 1000, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("vr", [b"SQ", b"UN", b"OB", b"UT"])
def test_lengths_that_lead_out_of_the_file_are_refused(vr: bytes, length: int) -> None:
    head = struct.pack("<HH2sHI", 0x0031, 0x0010, vr, 0, length)
    found = outcome(inserted(FILMS["explicit"], 0x7FE00010, head))
    assert found is not None or length == 0


def test_sequences_as_deep_as_wide_are_stepped_over_or_refused() -> None:
    begin = struct.pack("<HH2sHI", 0x0031, 0x0010, b"SQ", 0, 0xFFFFFFFF)
    item, end_of_item = b"\xfe\xff\0\xe0" + b"\xff" * 4, b"\xfe\xff\x0d\xe0" + bytes(4)
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    for depth, width in ((3, 1000), (15, 10), (16, 1), (17, 1), (4000, 1), (15, 100_000)):
        nested = (begin + item) * (depth - 1) + begin + EMPTY_ITEM * width + end
        nested += (end_of_item + end) * (depth - 1)
        data = inserted(FILMS["explicit"], 0x7FE00010, nested)
        with bounded(5e6):
            assert (outcome(data) is None) == (depth <= 16 and width < 50_000), (depth, width)
        with bounded(5e6):  # never closed
            assert outcome(inserted(FILMS["explicit"], 0x7FE00010, nested[: -len(end)])) is not None


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


MEASURE = """
import resource, sys
from pathlib import Path
from pneumonia.errors import ImageError
from pneumonia.imaging import decode

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

files = sorted(Path(sys.argv[1]).iterdir())
decode(files.pop(0).read_bytes())
idle = peak_mb()
for file in files:
    try:
        decode(file.read_bytes())
    except ImageError:
        pass
print(peak_mb() - idle)
"""


def test_the_process_stays_small(tmp_path: Path) -> None:
    """Memory that decoders allocate in C, too, and over all floods one after the other."""
    (tmp_path / "0").write_bytes(FILMS["jpeg-2000"])
    bombs = [FLOODS[what]() for what in FLOODS]
    for syntax in COMPRESSED:
        data = bytearray(film(syntax))
        for at in range(len(data) - 4):  # every place that says 20 x 30 or 30 x 20 says 65,535
            if data[at : at + 4] in (b"\0\x14\0\x1e", b"\0\x1e\0\x14"):
                data[at : at + 4] = b"\xff" * 4
        bombs.append(bytes(data))
    bombs.append(inserted(FILMS["deflated"], 0x7FE00010, element(0x310010, b"OB", bytes(10**8))))
    for n, data in enumerate(bombs, 1):
        (tmp_path / f"{n:03}").write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 300
