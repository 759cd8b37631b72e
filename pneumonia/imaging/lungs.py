"""Where the lungs are on a film: a probability on the square grid, its box and its outline."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Square = NDArray[np.float32]
Box = tuple[float, float, float, float]
Polygon = tuple[tuple[float, float], ...]

_MIN_SHARE = 0.005  # of the film: what is smaller is a speck, not a lung
_STEP = 0.004  # of the film's side: how far a simplified outline may stray


def to_input(square: Square, size: int) -> Square:
    """Make the lung network's input of a whole film.

    Parameters
    ----------
    square
        float32 (S, S) in [0, 1]: the film on the square grid.
    size
        Side of the input, pixels.

    Returns
    -------
    float32 (size, size) in [-1, 1]; the 0.5th and 99.5th percentile of the greys become -1 and 1.
    """
    low, high = np.percentile(square, (0.5, 99.5))
    small = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    scaled = (small - np.float32(low)) * np.float32(2 / max(high - low, 1e-3)) - 1
    return np.asarray(np.clip(scaled, -1, 1), np.float32)


@dataclass(frozen=True, eq=False)
class Lungs:
    """The lungs of one film, two parts; the heart's shadow counts to the left one.

    Attributes
    ----------
    probability
        float32 (S, S) in [0, 1] on a square grid over the whole film, edges on the film's edges.
    """

    probability: Square

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_], side: int) -> "Lungs":
        """From a drawn (h, w) mask over the whole film."""
        grey = np.asarray(mask, np.float32)
        return cls(np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)))

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """bool (S, S): the two largest parts above one half, their holes filled."""
        above = (self.probability > 0.5).astype(np.uint8)
        contours, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = np.zeros_like(above)
        for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:2]:
            part = cv2.drawContours(np.zeros_like(above), [contour], -1, 1, cv2.FILLED)
            if part.mean() >= _MIN_SHARE:
                filled |= part
        return filled.astype(np.bool_)

    @cached_property
    def box(self) -> Box | None:
        """(x0, y0, x1, y1) around the mask, as fractions of the film; None without lungs."""
        ys, xs = (np.flatnonzero(self.mask.any(axis=axis)) for axis in (1, 0))
        if not len(ys):
            return None
        height, width = self.mask.shape
        return (
            float(xs[0] / width),
            float(ys[0] / height),
            float((xs[-1] + 1) / width),
            float((ys[-1] + 1) / height),
        )

    def outline(self) -> tuple[Polygon, ...]:
        """Polygons around the mask, points (x, y) as fractions of the film, to four digits."""
        side = self.mask.shape[0]
        scale = 4  # contours run through pixel centres: on a finer grid they hug the mask
        fine = cv2.resize(
            self.mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR
        )
        contours, _ = cv2.findContours(
            (fine > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        polygons = [
            (cv2.approxPolyDP(c, _STEP * side * scale, closed=True)[:, 0] + 0.5) / (side * scale)
            for c in contours
        ]
        return tuple(
            tuple((round(float(x), 4), round(float(y), 4)) for x, y in polygon)
            for polygon in polygons
            if len(polygon) >= 3
        )
