"""Do these outlines look like two lungs, and does the film show all of them?"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pneumonia.imaging.lungs import Lungs
from pneumonia.phrases import phrase

Edge = Literal["left", "right", "top", "bottom"]
_RIM = 2  # grid pixels at an edge: outlines rarely reach the very last one


@dataclass(frozen=True, slots=True)
class LungPair:
    """Figures about the outlined lungs of one film; all but ``count`` are in [0, 1].

    Attributes
    ----------
    count
        How many parts there are, 0 to 2.
    certainty
        Mean probability of lung inside the outlines.
    evenness
        Area of the smaller lung over that of the larger; 0 unless there are two.
    side_by_side
        Height that the two share over the height of the lower one; 0 unless there are two.
    solidity
        Area over that of the convex hull, of the more ragged lung.
    touching
        For each edge of the film, how much of the lungs' height or width lies on it.
    """

    count: int
    certainty: float
    evenness: float
    side_by_side: float
    solidity: float
    touching: dict[Edge, float]


def measure(lungs: Lungs) -> LungPair:
    """Figures about the lungs of an upright film."""
    mask = lungs.mask
    if not mask.any():
        return LungPair(0, 0.0, 0.0, 0.0, 0.0, dict.fromkeys(_EDGES, 0.0))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = [cv2.contourArea(cv2.convexHull(contour)) for contour in contours]
    areas = [cv2.contourArea(contour) for contour in contours]
    certainty = float(lungs.probability[mask].mean())
    solidity = min(area / max(hull, 1.0) for area, hull in zip(areas, hulls, strict=True))
    evenness = shared = 0.0
    if len(contours) == 2:
        evenness = min(areas) / max(*areas, 1.0)
        (_, y0, _, h0), (_, y1, _, h1) = (cv2.boundingRect(contour) for contour in contours)
        shared = max(0.0, (min(y0 + h0, y1 + h1) - max(y0, y1)) / min(h0, h1))
    return LungPair(len(contours), certainty, evenness, shared, solidity, _touching(lungs))


_EDGES: tuple[Edge, ...] = (phrase("left"), phrase("right"), phrase("top"), phrase("bottom"))


def _touching(lungs: Lungs) -> dict[Edge, float]:
    mask = lungs.mask
    height, width = np.ptp(np.flatnonzero(mask.any(1))) + 1, np.ptp(np.flatnonzero(mask.any(0))) + 1
    return {
        "left": float(mask[:, :_RIM].any(1).sum() / height),
        "right": float(mask[:, -_RIM:].any(1).sum() / height),
        "top": float(mask[:_RIM].any(0).sum() / width),
        "bottom": float(mask[-_RIM:].any(0).sum() / width),
    }
