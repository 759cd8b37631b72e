"""Where the activation map is hot: inside the lungs, and inside the boxes of a radiologist."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import ActivationMap
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import Geometry
from train.data.manifest import Box

_UPPER_QUARTER: Final = 0.75  # of the maximum: from there on heat counts as a region


@dataclass(frozen=True, slots=True)
class Pointing:
    """A map against the boxes of one film.

    Attributes
    ----------
    hit
        The hottest pixel lies in a box (the pointing game, Zhang et al. 2018).
    iou
        Intersection over union of the boxes and the pixels in the upper quarter of the map, from
        three quarters of its maximum on; in [0, 1].
    share_of_radiograph
        Of the film's pixels, those in a box: what a random point would hit.
    share_of_lungs
        Of the lungs' pixels, those in a box: what a random point in the lungs would hit; nan
        without lungs.
    lungs_iou
        ``iou`` of a map that is hot all over the lungs and nowhere else; nan without lungs.
    """

    hit: bool
    iou: float
    share_of_radiograph: float
    share_of_lungs: float
    lungs_iou: float


def share_in_lungs(activation: ActivationMap, lungs: Lungs) -> float:
    """Share of the positive heat that lies in the lungs, in [0, 1]; nan where nothing is positive.

    The map is carried onto the film, sampled on the lungs' own square grid over the whole of it.
    """
    height, width = lungs.mask.shape
    geometry = resized(activation.geometry, width, height)
    heat = np.maximum(geometry.to_radiograph(activation.values), 0)
    total = float(heat.sum(dtype=np.float64))
    return float(heat[lungs.mask].sum(dtype=np.float64)) / total if total > 0 else nan


def resized(geometry: Geometry, width: int, height: int) -> Geometry:
    """The same place of the input on the film at another size."""
    sx, sy = width / geometry.width, height / geometry.height
    x0, y0, x1, y1 = geometry.box
    return replace(geometry, width=width, height=height, box=(x0 * sx, y0 * sy, x1 * sx, y1 * sy))


def point_at(activation: ActivationMap, boxes: Sequence[Box], lungs: Lungs | None) -> Pointing:
    """Hold a map against boxes of (x, y, width, height) in pixels of the film.

    Without positive heat nothing is hit and the IoU is 0.

    Raises
    ------
    ValueError
        When no pixel of the film lies in a box.
    """
    geometry = activation.geometry
    heat = geometry.to_radiograph(activation.values)
    inside = _inside(boxes, geometry.width, geometry.height)
    if not inside.any():
        raise ValueError(f"no pixel of {geometry.width} x {geometry.height} lies in {boxes}")
    lungs_mask = _enlarged(lungs, geometry.width, geometry.height)
    known = lungs_mask.any()
    peak = float(heat.max())
    return Pointing(
        hit=peak > 0 and bool(inside.flat[int(heat.argmax())]),
        iou=_iou(heat >= _UPPER_QUARTER * peak, inside) if peak > 0 else 0.0,
        share_of_radiograph=float(inside.mean()),
        share_of_lungs=float(inside[lungs_mask].mean()) if known else nan,
        lungs_iou=_iou(lungs_mask, inside) if known else nan,
    )


def _inside(boxes: Sequence[Box], width: int, height: int) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), np.bool_)
    for x, y, w, h in boxes:
        rows = slice(max(round(y), 0), max(round(y + h), 0))
        inside[rows, max(round(x), 0) : max(round(x + w), 0)] = True
    return inside


def _enlarged(lungs: Lungs | None, width: int, height: int) -> NDArray[np.bool_]:
    if lungs is None:
        return np.zeros((height, width), np.bool_)
    mask = lungs.mask.astype(np.uint8)
    enlarged = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, np.bool_)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())
