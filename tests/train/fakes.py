"""A predictor without a network, for what only needs answers."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from pneumonia.analysis import gate
from pneumonia.analysis.finding import ActivationMap, Finding, ModelRef, OperatingPoint
from pneumonia.analysis.gate import Examined
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import Geometry
from pneumonia.imaging.radiograph import Radiograph

SCREENING = OperatingPoint("screening", 0.25, indeterminate=(0.2, 0.3))
BALANCED = OperatingPoint("balanced", 0.5, indeterminate=(0.45, 0.55))


class FakePredictor:
    """Says that the film's mean grey level is the probability, and remembers its batches.

    Its map is the same on every film: what it is given, over the whole film.
    """

    model = ModelRef("fake", "00" * 32)
    card = SimpleNamespace(operating_points={"screening": SCREENING, "balanced": BALANCED})
    operating_point = BALANCED

    def __init__(self, lungs: Lungs | None = None, heat: np.ndarray | None = None) -> None:
        self.batches: list[int] = []
        self.lungs = lungs
        self.heat = np.zeros((1, 1), np.float32) if heat is None else heat

    def examine(self, radiographs: Sequence[Radiograph]) -> list[Examined]:
        return [
            Examined(radiograph, radiograph.pixels, self.lungs, *gate.judge(radiograph))
            for radiograph in radiographs
        ]

    def read(self, examined: Sequence[Examined]) -> list[Finding]:
        self.batches.append(len(examined))
        return [self.finding(e) for e in examined]

    def finding(self, examined: Examined) -> Finding:
        radiograph, probability = examined.radiograph, float(examined.radiograph.pixels.mean())
        geometry = Geometry(
            radiograph.width, radiograph.height, (0, 0, radiograph.width, radiograph.height)
        )
        return Finding(
            label=BALANCED.label(probability),
            probability=probability,
            logit=0.0,
            operating_point=BALANCED,
            model=self.model,
            quality=examined.quality,
            activation=ActivationMap(self.heat, 1.0, geometry),
            outline=self.lungs.outline() if self.lungs else (),
        )
