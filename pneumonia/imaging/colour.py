"""Colour to grey, and whether there was any: films are grey however they are stored."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

WARNING: Final = "The picture has colour; a chest X-ray is grey."

# Grey when all but one pixel in a thousand have channels this close (8-bit levels): lossy chroma
# moves greys by a few levels, and a small coloured marker does not make a film a photograph.
TOLERANCE: Final = 16
SHARE: Final = 1e-3


def to_grey(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bool]:
    """Luma (ITU-R BT.601) of an RGB picture; greys come out exactly as they went in.

    Parameters
    ----------
    rgb
        uint8 (height, width, 3).

    Returns
    -------
    grey
        uint8 (height, width).
    has_colour
        More than one pixel in a thousand is visibly not grey.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    red, green, blue = cv2.split(rgb)
    apart = cv2.max(cv2.absdiff(red, green), cv2.absdiff(blue, green))
    coloured = cv2.countNonZero(cv2.compare(apart, TOLERANCE, cv2.CMP_GT))
    return np.asarray(grey, np.uint8), coloured > SHARE * grey.size
