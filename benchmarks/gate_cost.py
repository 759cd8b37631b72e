"""What the gate and the lung network cost beside the classifier, for one film."""

import numpy as np
import torch

from benchmarks.measure import THREADS, Comparison, alternate
from pneumonia.analysis.predictor import Predictor
from pneumonia.config import Settings
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_radiograph

LIMIT = 0.3


def compare(settings: Settings, *, rounds: int = 40) -> Comparison:
    """Time the gate on a film of the grid's size, and the classifier with its map on the same.

    Resampling a larger film to the grid is left out: the classifier needs it as well.

    Raises
    ------
    NoModel, DamagedBundle
    """
    folder = settings.models_dir / settings.model
    predictor = Predictor.load(folder, device="cpu", threads=THREADS)
    side = predictor.card.preprocess.grid
    grey = synthetic_radiograph(7, opacity=True, size=(side, side)).astype(np.float32) / np.float32(
        255
    )
    radiograph = Radiograph(grey, "PNG", 8, (0, 255), "")
    passed = predictor.examine([radiograph])
    with torch.inference_mode():
        gate_s, classifier_s = alternate(
            lambda: predictor.examine([radiograph]),
            lambda: predictor.read(passed),
            rounds=rounds,
            warm_up=5,
        )
    return Comparison("gate and lung network", gate_s, "classifier and map", classifier_s, LIMIT)
