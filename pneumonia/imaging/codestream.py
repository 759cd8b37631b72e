"""The header of a compressed picture inside a DICOM file, read before any decoder allocates for it.

Decoders believe what the codestream says of itself: 200 bytes of JPEG 2000 can ask for gigabytes.
"""

import struct
from dataclasses import dataclass
from typing import Final

from pneumonia.imaging.raster_scan import MAX_JPEG_SCANS, jpeg_segments

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Markers of frame headers: SOF0 to SOF15 of JPEG (T.81, table B.1), SOF55 of JPEG-LS."""

MAX_TILES: Final = 4096
"""Of one JPEG 2000 picture; the decoder keeps six kilobytes of each from the start."""

MAX_PRECINCTS: Final = 2**16
"""Of one JPEG 2000 picture, over all resolutions and components; each costs a kilobyte."""

MAX_LAYERS: Final = 256
_MAX_MARKERS: Final = 10_000
_SIZ, _COD, _COC, _POC, _SOT, _SOD, _EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF5F, 0xFF90, 0xFF93, 0xFFD9


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a codestream says of its picture: size in pixels, samples per pixel, bits per sample."""

    width: int
    height: int
    samples: int
    bits: int


def read_jpeg(data: bytes, processes: frozenset[int]) -> Codestream:
    """The frame header of a JPEG or JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2).

    Parameters
    ----------
    processes
        The frame markers that are decoded: C0 to C3 of JPEG, F7 of JPEG-LS.

    Raises
    ------
    ValueError
        With a phrase for "holds ...": another process, or what is no JPEG.
    UnsupportedEncoding
        For too many segments.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG where one is said to be")
    if not data.rstrip(b"\0\xff").endswith(b"\xff\xd9"):  # libjpeg makes up what is missing
        raise ValueError("a JPEG without its end: the file is cut off or damaged")
    found: Codestream | None = None
    for marker, at in jpeg_segments(data):
        if marker not in _FRAMES:
            continue
        if marker not in processes or found is not None:
            raise ValueError(f"a JPEG of a process that is not decoded (marker FF{marker:02X})")
        bits, height, width, samples = struct.unpack_from(">BHHB", data, at + 2)
        found = Codestream(width, height, samples, bits)
    if found is None:
        raise ValueError("a JPEG without a frame header")
    if (scans := data.count(b"\xff\xda")) > MAX_JPEG_SCANS:
        raise ValueError(f"a JPEG of {scans:,} scans; at most {MAX_JPEG_SCANS} are read")
    return found


def read_jpeg2000(data: bytes) -> Codestream:
    """The main header of a JPEG 2000 codestream (ITU-T T.800 A.5), High-Throughput too.

    Raises
    ------
    ValueError
        With a phrase for "holds ...": components of different sizes, or more tiles, precincts,
        layers or changes of coding than a picture needs.
    """
    if data[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("no JPEG 2000 codestream where one is said to be")
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, samples = (
        struct.unpack_from(">8IH", data, 8)
    )
    components = [data[42 + 3 * i : 45 + 3 * i] for i in range(samples)]
    if samples not in (1, 3) or any(c[1:] != b"\1\1" or c != components[0] for c in components):
        raise ValueError("a JPEG 2000 picture that is neither grey nor RGB at one resolution")
    if left or top or tile_left or tile_top or not tile_width or not tile_height:
        raise ValueError("a JPEG 2000 picture that does not begin at its first pixel")
    tiles = -(-width // tile_width) * -(-height // tile_height)
    if tiles > MAX_TILES:
        raise ValueError(f"a JPEG 2000 picture of {tiles:,} tiles; at most {MAX_TILES:,} are read")
    tile = min(width, tile_width), min(height, tile_height)
    _check_coding(data, tile, tiles * samples)
    return Codestream(width, height, samples, (components[0][0] & 0x7F) + 1)


def _check_coding(data: bytes, tile: tuple[int, int], tile_components: int) -> None:
    """Walk main and tile-part headers: coding is said once, and asks for bounded bookkeeping."""
    at, seen = 2, 0
    for _ in range(_MAX_MARKERS):
        if at + 4 > len(data):
            return  # the decoder says that it is cut off
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _EOC:
            return
        if marker == _COD:
            seen += 1
            _check_cod(data[at + 4 : at + 2 + length], tile, tile_components)
        if marker in (_COC, _POC) or seen > 1:
            raise ValueError("a JPEG 2000 picture whose coding changes within it")
        if marker == _SOT:
            begin, (part,) = at, struct.unpack_from(">I", data, at + 6)
        if marker == _SOD:
            at = begin + part if part else len(data)
            if at <= begin:
                return
        else:
            at += 2 + length
    raise ValueError(f"a JPEG 2000 picture of more than {_MAX_MARKERS:,} marker segments")


def _check_cod(cod: bytes, tile: tuple[int, int], tile_components: int) -> None:
    style, _, layers, _, levels = struct.unpack_from(">BBHBB", cod)
    if layers > MAX_LAYERS or levels > 32:
        raise ValueError(f"a JPEG 2000 picture of {layers:,} layers and {levels} resolutions")
    if not style & 1:
        return
    precincts = 0
    for resolution, exponents in enumerate(cod[10 : 11 + levels]):
        width, height = (-(-side >> (levels - resolution)) for side in tile)
        across, down = -(-width >> (exponents & 15)), -(-height >> (exponents >> 4))
        precincts += across * down * tile_components
    if precincts > MAX_PRECINCTS:
        raise ValueError(f"a JPEG 2000 picture of {precincts:,} precincts")
