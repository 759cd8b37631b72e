"""The parts a JPEG or PNG is made of, counted before Pillow walks them in Python.

A film has some dozens. Ten megabytes can hold millions of empty ones, and each costs microseconds
and an object: seconds and hundreds of megabytes for one upload.
"""

import re
from collections.abc import Iterator
from typing import Final

from pneumonia.errors import UnsupportedEncoding

MAX_JPEG_SEGMENTS: Final = 1000
"""Before the first scan. A phone's depth map in extended XMP takes some hundred of 64 kB."""

MAX_FILL_BYTES: Final = 1000
"""Of FF before one marker (ITU-T T.81, B.1.1.2), each a step of its own."""

# A progressive JPEG has about ten scans, each a pass over all pixels; a few kilobytes can ask
# for thousands of them and hold a core for minutes.
MAX_JPEG_SCANS: Final = 100

MAX_PNG_CHUNKS: Final = 2000
BYTES_PER_PNG_CHUNK: Final = 2048
"""A large PNG may have one chunk more for each so many bytes; libpng writes 8 kB into each."""

_FILL = re.compile(rb"\xff*")
_SOS, _EOI = 0xDA, 0xD9
_ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))  # TEM, RST0-7, SOI: without a length


def check_parts(data: bytes) -> None:
    """Refuse a JPEG or PNG of too many parts; what is no part at all is left to the decoder.

    Raises
    ------
    UnsupportedEncoding
    """
    if data.startswith(b"\x89PNG"):
        _check_chunks(data)
    else:
        for _ in jpeg_segments(data):
            pass


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of the length of each segment before the first scan, that scan's included.

    A segment is FF, a marker, and a length that counts itself (ITU-T T.81, B.1.1.4). What does not
    begin with FF ends them.

    Raises
    ------
    UnsupportedEncoding
        For too many.
    """
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        fill = _FILL.match(data, at, at + MAX_FILL_BYTES + 1)
        start, at = at, fill.end() if fill else at
        if at == start or at >= len(data):
            return
        if at - start > MAX_FILL_BYTES:
            break
        marker = data[at]
        at += 1
        yield marker, at
        if marker in (_SOS, _EOI):
            return
        if marker not in _ALONE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise UnsupportedEncoding(
        f"This JPEG has more than {MAX_JPEG_SEGMENTS:,} segments before its picture begins. Save "
        "it again as a baseline JPEG without metadata."
    )


def _check_chunks(data: bytes) -> None:
    """A chunk is a length, a type, so many bytes, and a checksum (PNG, third edition, 5.3)."""
    most = MAX_PNG_CHUNKS + len(data) // BYTES_PER_PNG_CHUNK
    at = 8
    for _ in range(most):
        if at + 8 > len(data) or data[at + 4 : at + 8] == b"IEND":
            return
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    raise UnsupportedEncoding(
        f"This PNG of {len(data):,} bytes is cut into more than {most:,} chunks. Save it again as "
        "a PNG without metadata."
    )
