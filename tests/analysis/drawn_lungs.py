"""What a lung network would find, made by hand: two drawn lungs, a pose and features."""

import json

import cv2
import numpy as np

from pneumonia.analysis.gate_limits import Expected, GateLimits
from pneumonia.analysis.lung_segmenter import LungSegmentation
from pneumonia.analysis.outlier_model import OutlierModel
from pneumonia.analysis.population import Population
from pneumonia.config import ROOT
from pneumonia.imaging.lungs import Lungs

SIDE = 224
Ellipse = tuple[int, int, int, int]  # centre x and y, radii
RIGHT, LEFT = (70, 110, 36, 76), (154, 110, 36, 76)
# Features of two numbers: chest films differ in the first and agree in the second.
LIMITS = GateLimits.from_dict(
    json.loads((ROOT / "models" / "default" / "lungs.json").read_text(encoding="utf-8"))["gate"]
)
EXPECTED = Expected(
    OutlierModel(np.zeros(2, np.float32), np.array([[1, 0]], np.float32), 2.0), LIMITS
)
CHILDREN = Population("children of 1 to 5 years", (1, 5))


def lungs(*ellipses: Ellipse, certainty: float = 0.96) -> Lungs:
    """Ellipses on the square grid; they may reach beyond it."""
    probability = np.full((SIDE, SIDE), 0.02, np.float32)
    for x, y, a, b in ellipses or (RIGHT, LEFT):
        cv2.ellipse(probability, (x, y), (a, b), 0, 0, 360, certainty, cv2.FILLED)
    return Lungs(probability)


def segmentation(
    seen: Lungs | None = None,
    *,
    turns: int = 0,
    sure: float = 0.99,
    inverted: float = 0.01,
    distance: float = 0.5,
) -> LungSegmentation:
    """A chest film; ``turns``: how the network thinks that it lies."""
    seen = seen or lungs()
    turned = np.full(4, (1 - sure) / 3, np.float32)
    turned[turns] = sure
    features = np.array([40.0, 2 * distance], np.float32)
    return LungSegmentation(seen, turned, inverted, features)
