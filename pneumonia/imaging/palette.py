"""DICOM's PALETTE COLOR to grey (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import UnsupportedEncoding
from pneumonia.imaging import colour
from pneumonia.imaging.lookup_table import Floats, LookupTable

_LUMA: Final = {"Red": 0.299, "Green": 0.587, "Blue": 0.114}  # ITU-R BT.601


def to_grey(
    stored: NDArray[Any], dataset: Any, *, signed: bool
) -> tuple[Floats, tuple[float, float], bool]:
    """Luma of a palette's picture; a grey palette's levels come out as they are.

    Parameters
    ----------
    stored
        Integers (height, width): places in the palette; beyond its ends its first or last colour.

    Returns
    -------
    pixels
        float32 (height, width) in [0, 1].
    value_range
        Smallest and largest luma, in the palette's units.
    has_colour
        As :func:`pneumonia.imaging.colour.to_grey` says it.

    Raises
    ------
    UnsupportedEncoding
        Where the palette is missing, segmented or contradicts itself.
    """
    little = bool(dataset.original_encoding[1])
    tables = {}
    for name in _LUMA:
        keyword = f"{name}PaletteColorLookupTable"
        try:
            tables[name] = LookupTable.read(
                dataset.get(f"{keyword}Descriptor"),
                dataset.get(f"{keyword}Data"),
                signed=signed,
                little=little,
            )
        except ValueError:
            raise _bad_palette() from None
    red, green, blue = tables.values()
    if not (red.outputs.shape == green.outputs.shape == blue.outputs.shape):
        raise _bad_palette()
    top = max(table.top for table in tables.values())  # a channel of small values reads as 8 bits
    luma = sum(np.float32(_LUMA[name]) * tables[name].outputs for name in _LUMA)
    apart = np.maximum(abs(red.outputs - green.outputs), abs(blue.outputs - green.outputs))
    grey = np.where(apart == 0, red.outputs, luma)
    index = red.index(stored)
    used = np.bincount(index.ravel(), minlength=len(grey))
    coloured = int(used[apart > colour.TOLERANCE / 255 * top].sum())
    levels = grey[used > 0]
    pixels: Floats = (grey / np.float32(top)).astype(np.float32)[index]
    return pixels, (float(levels.min()), float(levels.max())), coloured > colour.SHARE * index.size


def _bad_palette() -> UnsupportedEncoding:
    return UnsupportedEncoding(
        "The DICOM file's Palette Color Lookup Tables (0028,1101) to (0028,1203) are missing, "
        "segmented or contradict each other. Export the film as a JPEG or PNG."
    )
