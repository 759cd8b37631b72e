"""DICOM of many values, elements, items and fragments: refused without work or memory.

Work is counted in Python calls and memory in bytes, never in seconds.
"""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pneumonia.config import ROOT
from pneumonia.errors import DamagedImage, FileTooLarge
from pneumonia.imaging import decode
from tests.dicom_files import COMPRESSED, encode_dicom
from tests.hostile.dicom_damage import (
    EMPTY_ITEM,
    FILMS,
    GREY,
    bounded,
    element,
    film,
    inserted,
    outcome,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on what it finds

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
