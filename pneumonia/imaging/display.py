"""What a screen shows of a film, and the PNG it is kept and sent in."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging import raster
from pneumonia.imaging.bands import bands
from pneumonia.imaging.radiograph import Radiograph

_PERCENTILES: Final = (0.1, 99.9)
_NARROW: Final = 0.5
_SAMPLED: Final = 250_000  # pixels: beyond, the percentiles are those of a grid over the film


def to_display(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey levels for a screen.

    The levels of an 8-bit film stay exactly as they were. Only where the film's own range (its
    0.1 to 99.9 percentiles) takes less than half of [0, 1], as raw 16-bit exports do, is that
    range spread over the screen's. The percentiles of a larger film are taken on a grid
    over it.

    Parameters
    ----------
    pixels
        float32 (height, width) in [0, 1], as in ``Radiograph.pixels``.

    Returns
    -------
    uint8 (height, width).
    """
    low, high = (float(v) for v in np.percentile(_sample(pixels), _PERCENTILES))
    if high - low >= _NARROW or high <= low:
        low, high = 0.0, 1.0
    shown = np.empty(pixels.shape, np.uint8)
    for rows in bands(*pixels.shape):  # Of a large film, a float32 copy at once is 160 MB.
        levels = pixels[rows] - np.float32(low)
        levels *= np.float32(255 / (high - low))
        np.rint(levels, out=levels)
        shown[rows] = np.clip(levels, 0, 255, out=levels)
    return shown


def to_levels(radiograph: Radiograph) -> NDArray[np.uint16] | None:
    """All grey levels of a film, for a window to be laid over; None where 8 bits hold them.

    Returns
    -------
    uint16 (height, width), from 0 to the largest of the film's bit depth.
    """
    if radiograph.levels is not None or radiograph.bits <= 8:
        return radiograph.levels
    levels = np.empty(radiograph.pixels.shape, np.uint16)
    for rows in bands(radiograph.height, radiograph.width):
        levels[rows] = np.rint(radiograph.pixels[rows] * np.float32(2**radiograph.bits - 1))
    return levels


def _sample(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The film itself, or every n-th pixel each way of a larger one."""
    step = math.ceil(math.sqrt(pixels.size / _SAMPLED))
    return pixels[::step, ::step] if step > 1 else pixels


def to_thumbnail(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture with its longer side at most ``side`` pixels; a smaller one as it is."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_png(
    picture: NDArray[np.uint8] | NDArray[np.uint16], spacing_mm: tuple[float, float] | None = None
) -> bytes:
    """A PNG that says nothing but its picture and, where it is known, how large a pixel is.

    Parameters
    ----------
    picture
        uint8 or uint16 grey (height, width), or uint8 RGB or RGBA (height, width, 3 or 4).
    spacing_mm
        Height and width of a pixel, in millimetres.
    """
    if (picture.dtype.name, picture.ndim) not in (("uint8", 2), ("uint8", 3), ("uint16", 2)):
        raise ValueError(
            f"a picture is uint16 grey, uint8 grey or RGB, not {picture.dtype} {picture.shape}"
        )
    # A machine that only trains encodes nothing, and need not have what this is made with.
    from pneumonia.imaging import png

    return png.encode(picture, spacing_mm)


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """The picture that `encode_png` wrote in 8 bits: uint8 grey or RGB.

    Raises
    ------
    DamagedImage
        Where the stored file was damaged.
    """
    return raster.read_stored(data)
