"""Films to damage, ways to damage them, and bounds on what reading one may cost."""

import struct
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pneumonia.errors import ImageError
from pneumonia.imaging import decode
from tests.dicom_files import SYNTAXES, encode_dicom

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
