"""Where on the lungs the activation map is hot, in a radiologist's zones. No torch."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import ActivationMap, Outline
from pneumonia.imaging.overlay import ramp
from pneumonia.imaging.preprocess import Geometry
from pneumonia.phrases import phrase

SIDES = (phrase("right"), phrase("left"))
"""The patient's; on a film as it is hung, the patient's right is on the viewer's left."""
ZONES = (phrase("upper"), phrase("middle"), phrase("lower"))
"""Thirds of the height of each lung's outline."""

_GRID = 128  # of the film, on which areas are summed: far finer than the map's cells


@dataclass(frozen=True, slots=True)
class Zone:
    """A third of one lung.

    Attributes
    ----------
    share
        Of all colour on the film, how much lies in it: 0 to 1.
    """

    side: str
    level: str
    share: float

    def __str__(self) -> str:
        return phrase(f"{self.side} {self.level} zone")


@dataclass(frozen=True, slots=True)
class Location:
    """Where the map's colour lies.

    Attributes
    ----------
    zones
        The six zones, the hottest first.
    outside
        Of all colour on the film, how much lies outside the lungs' outline: 0 to 1.
    """

    zones: tuple[Zone, ...]
    outside: float


def locate(activation: ActivationMap, outline: Outline) -> Location | None:
    """Where a map is hot; None where nothing is painted or two lungs are not outlined.

    Parameters
    ----------
    outline
        Polygons on the film; which is the patient's right lung goes by where it lies.
    """
    if len(outline) != len(SIDES):
        return None
    paint = _paint(activation)
    total = float(paint.sum())
    if total <= 0:
        return None
    lungs = sorted((_fill(polygon) for polygon in outline), key=_middle)
    zones = [
        Zone(side, level, float(paint[third].sum()) / total)
        for side, lung in zip(SIDES, lungs, strict=True)
        for level, third in zip(ZONES, _thirds(lung), strict=True)
    ]
    inside = float(paint[np.logical_or(*lungs)].sum()) / total
    return Location(tuple(sorted(zones, key=lambda zone: -zone.share)), 1 - inside)


def _paint(activation: ActivationMap) -> NDArray[np.float32]:
    """How thick the map's paint lies on a small grid over the film, as the overlay has it."""
    geometry = activation.geometry
    x0, y0, x1, y1 = geometry.box
    across, down = _GRID / geometry.width, _GRID / geometry.height
    grid = Geometry(_GRID, _GRID, (x0 * across, y0 * down, x1 * across, y1 * down))
    return ramp(grid.to_radiograph(activation.values) / np.float32(activation.full_scale))


def _fill(polygon: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    mask = np.zeros((_GRID, _GRID), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(polygon) * _GRID - 0.5).astype(np.int32)], 1)
    return mask.astype(bool)


def _middle(lung: NDArray[np.bool_]) -> float:
    columns = np.flatnonzero(lung.any(0))
    return float(columns.mean()) if columns.size else 0.0


def _thirds(lung: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    rows = np.flatnonzero(lung.any(1))
    top, bottom = (rows[0], rows[-1] + 1) if rows.size else (0, 0)
    edges = np.rint(np.linspace(top, bottom, len(ZONES) + 1)).astype(int)
    parts = []
    for first, last in pairwise(edges):
        part = np.zeros_like(lung)
        part[first:last] = lung[first:last]
        parts.append(part)
    return parts
