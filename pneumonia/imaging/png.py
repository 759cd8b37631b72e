"""Pixels to PNG (ISO/IEC 15948) by ISA-L's deflate: as small as libpng's, in a third of the time.

Each row is filtered by "Average" and packed by Huffman codes with short matches, which is all that
the noise of a film leaves to find. Reading needs nothing of this: any PNG decoder does.
"""

import struct

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pneumonia.imaging.bands import bands

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AVERAGE = 3
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels: grey, RGB, RGBA
_METRE = 1
_PIXELS_PER_METRE = struct.Struct(">IIB")
SPACING_BYTES = 64
"""Of a PNG from here, enough to read its spacing from."""


def encode(
    picture: NDArray[np.uint8] | NDArray[np.uint16], spacing_mm: tuple[float, float] | None = None
) -> bytes:
    """A PNG of (height, width) or (height, width, channels), with the size of a pixel if given."""
    height, width = picture.shape[:2]
    deep = picture.dtype == np.uint16
    stored = picture.astype(">u2").view(np.uint8) if deep else picture
    rows = np.ascontiguousarray(stored, np.uint8).reshape(height, -1)
    channels = rows.shape[1] // width  # of a deep one: bytes, which are filtered in the same way
    colour_type = 0 if deep else _COLOUR_TYPES[channels]
    packer = isal_zlib.compressobj(level=1)
    parts = [packer.compress(_filter(rows, some, channels)) for some in bands(*rows.shape)]
    header = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour_type, 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _spacing(spacing_mm) if spacing_mm else b"",
            _chunk(b"IDAT", b"".join([*parts, packer.flush()])),
            _chunk(b"IEND", b""),
        ]
    )


def _spacing(spacing_mm: tuple[float, float]) -> bytes:
    """The chunk pHYs; nothing for pixels of a size that it cannot hold."""
    down, across = (round(1000 / side) for side in spacing_mm)
    if not 0 < min(down, across) <= max(down, across) < 2**31:
        return b""
    return _chunk(b"pHYs", _PIXELS_PER_METRE.pack(across, down, _METRE))


def read_spacing(head: bytes) -> tuple[float, float] | None:
    """Height and width of a pixel in millimetres, from the first bytes of a PNG of `encode`."""
    at = head.find(b"pHYs", len(_SIGNATURE) + 25, SPACING_BYTES)
    if at < 0 or len(head) < at + 4 + _PIXELS_PER_METRE.size:
        return None
    across, down, _ = _PIXELS_PER_METRE.unpack_from(head, at + 4)
    return 1000 / down, 1000 / across


def _filter(rows: NDArray[np.uint8], some: slice, channels: int) -> NDArray[np.uint8]:
    """Some of the rows, each byte less the mean of those to its left and above, rounded down."""
    current = rows[some]
    above, left = np.zeros_like(current), np.zeros_like(current)
    above[1:] = current[:-1]
    if some.start:
        above[0] = rows[some.start - 1]
    left[:, channels:] = current[:, :-channels]
    filtered = np.empty((len(current), 1 + current.shape[1]), np.uint8)
    filtered[:, 0] = _AVERAGE
    np.subtract(current, (left & above) + ((left ^ above) >> 1), out=filtered[:, 1:])
    return filtered


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = isal_zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
