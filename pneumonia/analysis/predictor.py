"""A batch of Radiographs -> Findings. Serving, the command line and evaluation all share it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from pneumonia.analysis.bundle import Card, load_network
from pneumonia.analysis.finding import ActivationMap, Finding, ModelRef, Quality
from pneumonia.errors import BadSetting
from pneumonia.imaging import preprocess
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.networks.classifier import Classifier


class Predictor:
    """A loaded bundle on a device. Not for several threads at once: put a Batcher before it."""

    def __init__(self, card: Card, network: Classifier, device: str) -> None:
        self.card = card
        self.device = device
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def model(self) -> ModelRef:
        return self.card.ref

    @classmethod
    def load(cls, folder: Path, device: str = "auto", threads: int = 0) -> Self:
        """Load a bundle.

        Parameters
        ----------
        device
            ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``.
        threads
            CPU threads of one forward pass; 0 leaves torch's own choice, one per core.

        Raises
        ------
        NoModel, DamagedBundle
            See :func:`pneumonia.analysis.bundle.load_network`.
        BadSetting
            When a GPU is asked for and there is none.
        """
        if threads:
            torch.set_num_threads(threads)
        return cls(*load_network(folder), choose_device(device))

    def warm(self) -> None:
        """Run one blank film, so that the first real one finds memory and kernels ready."""
        size = self.card.preprocess.size
        self.predict([Radiograph(np.zeros((size, size), np.float32), "PNG", 8, (0, 0), "")])

    def predict(self, films: Sequence[Radiograph]) -> list[Finding]:
        """One forward pass over all films; the map comes from the same pass. Order is kept."""
        if not films:
            return []
        inputs, geometries = zip(
            *(preprocess.apply(film.pixels, self.card.preprocess) for film in films), strict=True
        )
        x = torch.from_numpy(np.stack(inputs)).to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode():
            logits, maps = self._network.forward_with_map(x)
        return [
            self._finding(logit, ActivationMap(values, self.card.map_full_scale, geometry))
            for logit, values, geometry in zip(
                logits.tolist(), maps.cpu().numpy(), geometries, strict=True
            )
        ]

    def _finding(self, logit: float, activation: ActivationMap) -> Finding:
        probability = calibrate(logit, self.card.temperature, self.card.bias)
        point = self.card.operating_point
        return Finding(
            label=point.label(probability),
            probability=probability,
            logit=logit,
            operating_point=point,
            model=self.model,
            quality=Quality(),
            activation=activation,
        )


def calibrate(logit: float, temperature: float, bias: float) -> float:
    """Probability of pneumonia in [0, 1]: sigmoid((logit + bias) / temperature)."""
    return 0.5 * (1 + math.tanh(0.5 * (logit + bias) / temperature))


def choose_device(wanted: str) -> str:
    """``"auto"`` becomes ``"cuda"`` or ``"cpu"``. Raises BadSetting for a GPU that is not there."""
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise BadSetting(
            "The device cuda was asked for, but torch finds no usable GPU here. "
            "Choose auto or cpu, or install a driver and a CUDA build of torch."
        )
    return "cuda" if present and wanted != "cpu" else "cpu"
