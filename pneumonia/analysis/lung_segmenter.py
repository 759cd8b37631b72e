"""The lung network at work: films in, where their lungs are and how they lie out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.calibration import sigmoid
from pneumonia.analysis.gate_limits import Expected
from pneumonia.analysis.lung_card import expectation, input_side
from pneumonia.imaging.lungs import Lungs, Square, to_input


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
    """A lung network and its card.

    Parameters
    ----------
    run
        The network: float32 (N, 1, S, S) films in [-1, 1] -> the five arrays of
        :class:`pneumonia.networks.lung_unet.LungOutputs`.
    card
        What ``lungs.json`` says; of a network in training, its ``size`` alone.
    """

    def __init__(
        self,
        run: Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]],
        card: dict[str, Any],
    ) -> None:
        self.card, self.size = card, input_side(card)
        self._run = run

    @cached_property
    def expected(self) -> Expected:
        """What the gate expects of a chest film."""
        return expectation(self.card)

    def segment(self, squares: Sequence[Square]) -> list[LungSegmentation]:
        """Find the lungs on films given as float32 (S, S) squares in [0, 1]."""
        films = np.stack([to_input(square, self.size) for square in squares])[:, None]
        logits, turned, inverted, texture, shape = self._run(films)
        side = squares[0].shape[:2]
        return [
            LungSegmentation(
                Lungs(_probabilities(cv2.resize(logits[i], side, interpolation=cv2.INTER_LINEAR))),
                _softmax(turned[i]),
                sigmoid(float(inverted[i])),
                np.concatenate([texture[i], shape[i]]),
            )
            for i in range(len(squares))
        ]


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
