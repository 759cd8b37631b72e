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
_COLOUR_TYPES = {1: 0, 3: 2}  # channels: grey, RGB


def encode(picture: NDArray[np.uint8]) -> bytes:
    """A PNG of 8 bits without metadata, from (height, width) or (height, width, 3)."""
    height, width = picture.shape[:2]
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    channels = rows.shape[1] // width
    packer = isal_zlib.compressobj(level=1)
    parts = [packer.compress(_filter(rows, some, channels)) for some in bands(*rows.shape)]
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", b"".join([*parts, packer.flush()])),
            _chunk(b"IEND", b""),
        ]
    )


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
