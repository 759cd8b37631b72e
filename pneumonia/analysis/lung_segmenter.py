"""The lung network on disk and at work: films in, where their lungs are and how they lie out.

It is a part of a model bundle: ``lungs.safetensors``, and ``lungs.json``, which says how to use it,
how well it does, and what the gate expects of a chest film's features.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from pneumonia.analysis.engines.engine import Engine
from pneumonia.analysis.gate_limits import Expected, GateLimits
from pneumonia.analysis.outlier_model import OutlierModel
from pneumonia.errors import DamagedBundle
from pneumonia.imaging.lungs import Lungs, Square, to_input
from pneumonia.imaging.synthetic import synthetic_squares
from pneumonia.networks import weights
from pneumonia.networks.lung_unet import FEATURES, LungOutputs, LungUNet, fold_normalisation

CARD = "lungs.json"
WEIGHTS = "lungs.safetensors"
FILES = (CARD, WEIGHTS)


@dataclass(frozen=True, eq=False, slots=True)
class LungSegmentation:
    """What the lung network sees on one film.

    Attributes
    ----------
    turned
        float32 (4,), probabilities that the film lies upright, or turned by 90, 180 or 270 degrees
        anticlockwise.
    inverted
        Probability that bright and dark are exchanged.
    features
        float32 (416,), averages of the encoder's features: what kind of picture it is.
    """

    lungs: Lungs
    turned: NDArray[np.float32]
    inverted: float
    features: NDArray[np.float32]


class LungSegmenter:
    """A lung network on a device."""

    def __init__(self, network: LungUNet, card: dict[str, Any], device: str = "cpu") -> None:
        self.card = card
        self.size = int(card["size"])
        if self.size < 32 or self.size % 32:
            raise ValueError(f"size must be a multiple of 32, not {self.size}")
        self._network: nn.Module = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def run_on(self, engine: Engine) -> Self:
        """Have an engine run the network.

        Raises
        ------
        EngineRefusal
            When it does not; then nothing has changed.
        """
        drawn = np.stack([to_input(square, self.size) for square in synthetic_squares(2)])
        self._network = engine.prepare(self._network, torch.from_numpy(drawn[:, None]))
        self._device = engine.device
        return self

    @cached_property
    def expected(self) -> Expected:
        """What the gate expects of a chest film. Raises KeyError or ValueError where it is not."""
        return Expected(
            OutlierModel.from_dict(self.card["outlier_model"]),
            GateLimits.from_dict(self.card["gate"]),
        )

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Read ``lungs.json`` and ``lungs.safetensors``.

        Raises
        ------
        DamagedBundle
            When either is missing or cannot be used.
        """
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            state = weights.read(folder / WEIGHTS)
            with torch.device("meta"):
                network = LungUNet()
            network.load_state_dict(
                {k: t.float() if t.is_floating_point() else t for k, t in state.items()},
                assign=True,
            )
            fold_normalisation(network.eval())
            segmenter = cls(network, card, device)
            found = len(segmenter.expected.outlier_model.mean)
            if found != FEATURES:
                raise ValueError(f"outlier_model has {found} features, and the network {FEATURES}")
            return segmenter
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            weights.WeightsFileError,
            RuntimeError,
        ) as error:
            raise DamagedBundle(
                f"The lung network in {folder.name!r} cannot be used: {error}. Restore {CARD} and "
                f"{WEIGHTS}, or train them: flask train --data DIR --recipe lungs --out DIR"
            ) from None

    @torch.inference_mode()
    def segment(self, squares: Sequence[Square]) -> list[LungSegmentation]:
        """Find the lungs on films given as float32 (S, S) squares in [0, 1]."""
        x = torch.from_numpy(np.stack([to_input(s, self.size) for s in squares])[:, None])
        seen = LungOutputs(*self._network(x.to(self._device)))
        side = squares[0].shape[0]
        enlarged = F.interpolate(
            seen.lungs[:, None], size=(side, side), mode="bilinear", align_corners=False
        )
        lungs = torch.sigmoid(enlarged[:, 0]).cpu().numpy()
        turned = torch.softmax(seen.turned, dim=1).cpu().numpy()
        inverted = torch.sigmoid(seen.inverted).cpu().numpy()
        features = torch.cat([seen.texture, seen.shape], dim=1).cpu().numpy()
        return [
            LungSegmentation(Lungs(lungs[i]), turned[i], float(inverted[i]), features[i])
            for i in range(len(squares))
        ]


def digest(folder: str) -> str:
    """SHA-256 (hex) of a lung network's weights; empty for ``"none"``."""
    if folder == "none":
        return ""
    return hashlib.sha256((Path(folder) / WEIGHTS).read_bytes()).hexdigest()
