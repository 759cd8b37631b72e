"""A film and its activation map, as one picture."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.bands import bands
from pneumonia.imaging.preprocess import Geometry

# The colours are matplotlib's inferno (van der Walt and Smith, CC0) without its dark third: black
# and deep violet would darken the film where the evidence is weak; nor its pale end, which turns
# greenish over grey. What is left runs from purple over red and orange to amber with evenly
# rising lightness, so it is ordered for readers with any colour vision and on a grey print, and
# none of it is a grey a film could have.
_FIRST: Final = 80
_LAST: Final = 222
# Evidence weaker than this part of full scale is left to the film alone; from there the paint
# thickens smoothly. The blend never reaches a hard edge that could be taken for an outline.
_FAINT: Final = 0.04
LAYER_PIXELS: Final = 1024
"""Longer side of a map that is sent without its film."""
CONTOUR_LEVELS: Final = (0.25, 0.5, 0.75)
"""Of full scale."""


@dataclass(frozen=True, slots=True)
class Contour:
    """Where the evidence reaches a level.

    Attributes
    ----------
    level
        Of full scale, above 0 and below 1.
    colour
        The map's for this level: ``"#f98e09"``.
    polygons
        Points (x, y), fractions of the film's width and height.
    """

    level: float
    colour: str
    polygons: list[list[tuple[float, float]]]


def render(
    radiograph: NDArray[np.uint8],
    values: NDArray[np.float32],
    full_scale: float,
    geometry: Geometry,
    opacity: float,
) -> NDArray[np.uint8]:
    """Paint the evidence for pneumonia over the film.

    The scale is fixed: the same colour is the same evidence on every film, and a film without
    evidence stays as it is. Evidence against pneumonia (negative values) is not painted.

    Parameters
    ----------
    radiograph
        uint8 (height, width): the film as `to_display` shows it.
    values
        float32 (h, w), in logits: an activation map over the network's input.
    full_scale
        The value, in logits, painted at full strength; greater than 0.
    geometry
        Where the network's input lies on the film.
    opacity
        0 (the film alone) to 1 (full-strength evidence hides the film).

    Returns
    -------
    uint8 RGB (height, width, 3). Grey levels are untouched, bit for bit, where nothing is painted.

    Raises
    ------
    ValueError
        For an opacity or full scale out of range, or a geometry of another film.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be 0 to 1, not {opacity}")
    if not full_scale > 0:
        raise ValueError(f"full_scale must be positive, not {full_scale}")
    if radiograph.shape != (geometry.height, geometry.width):
        raise ValueError(
            f"the geometry is of a film {geometry.height, geometry.width}, not {radiograph.shape}"
        )
    # Colour and thickness depend on the step alone, so the blend is two tables and one product.
    alpha = np.float32(opacity) * ramp(np.linspace(0, 1, 256, dtype=np.float32))
    paints = alpha * _palette().T
    painted = np.empty((*radiograph.shape, 3), np.uint8)
    # In bands: a film of 40 million pixels would take 160 MB for each float32 array at once.
    for rows in bands(*radiograph.shape):
        strength = geometry.to_radiograph(values, rows)
        strength *= np.float32(1 / full_scale)
        np.clip(strength, 0, 1, out=strength)
        steps = np.rint(strength * 255).astype(np.uint8)
        grey = radiograph[rows] * cv2.LUT(steps, 1 - alpha)
        for channel, paint in enumerate(paints):
            painted[rows, :, channel] = np.rint(grey + cv2.LUT(steps, paint))
    return painted


def map_layer(
    values: NDArray[np.float32], full_scale: float, geometry: Geometry
) -> NDArray[np.uint8]:
    """The paint of `render` alone, to be laid over a film by whoever shows it.

    A map is smooth, so that of a large film it is made at most :data:`LAYER_PIXELS` a side.

    Returns
    -------
    uint8 RGBA (h, w, 4): at full opacity; transparent where nothing is painted.
    """
    strength = _strength(values, full_scale, _small(geometry))
    steps = np.rint(strength * 255).astype(np.uint8)
    palette = np.concatenate(
        [_palette(), 255 * ramp(np.linspace(0, 1, 256, dtype=np.float32))[:, None]], axis=1
    )
    return np.asarray(np.rint(palette).astype(np.uint8)[steps])


def contours(values: NDArray[np.float32], full_scale: float, geometry: Geometry) -> list[Contour]:
    """Lines of equal evidence, weak to strong, at :data:`CONTOUR_LEVELS`; none where it is less."""
    strength = _strength(values, full_scale, _small(geometry))
    # A frame of nothing, so that a line along the film's edge is closed.
    framed = cv2.copyMakeBorder(strength, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    height, width = strength.shape
    found = []
    for level in CONTOUR_LEVELS:
        inside = (framed >= level).astype(np.uint8)
        lines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        smooth = (cv2.approxPolyDP(line, 0.75, closed=True) for line in lines)
        polygons = [
            [((x - 0.5) / width, (y - 0.5) / height) for x, y in line[:, 0].tolist()]
            for line in smooth
            if len(line) > 2
        ]
        if polygons:
            colour = "#" + np.rint(_palette()[round(255 * level)]).astype(np.uint8).tobytes().hex()
            found.append(Contour(level, colour, polygons))
    return found


def _small(geometry: Geometry) -> Geometry:
    scale = min(1.0, LAYER_PIXELS / max(geometry.width, geometry.height))
    width, height = (max(1, round(scale * side)) for side in (geometry.width, geometry.height))
    across, down = width / geometry.width, height / geometry.height
    x0, y0, x1, y1 = geometry.box
    return Geometry(width, height, (x0 * across, y0 * down, x1 * across, y1 * down))


def _strength(
    values: NDArray[np.float32], full_scale: float, geometry: Geometry
) -> NDArray[np.float32]:
    strength = geometry.to_radiograph(values) * np.float32(1 / full_scale)
    return np.asarray(np.clip(strength, 0, 1), np.float32)


def ramp(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """How thick the paint is, 0 to 1, for a strength of 0 to 1: rising, smooth, faint when weak."""
    x = np.clip((strength - np.float32(_FAINT)) / np.float32(1 - _FAINT), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def legend(width: int, height: int) -> NDArray[np.uint8]:
    """The scale from no evidence (left) to full scale (right): uint8 RGB (height, width, 3)."""
    strength = np.linspace(0, 1, width, dtype=np.float32)
    row = np.rint(_palette()[np.rint(strength * 255).astype(np.uint8)]).astype(np.uint8)
    return np.repeat(row[None], height, axis=0)


def colour_stops(count: int) -> list[str]:
    """The same colours for a CSS gradient, weak to strong: ``["#62146e", ...]``."""
    return ["#" + bytes(pixel).hex() for pixel in legend(count, 1)[0]]


def _palette() -> NDArray[np.float32]:
    """float32 (256, 3): RGB, 0 to 255, of each strength."""
    levels = np.rint(np.linspace(_FIRST, _LAST, 256)).astype(np.uint8)[None]
    bgr = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[0]
    return np.asarray(bgr[:, ::-1], np.float32)
