"""Example radiographs of an evaluation, right and wrong: what they are and were called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import THREE_CLASSES, TWO_CLASSES
from pneumonia.imaging import display
from train.data.manifest import Row
from train.evaluate.classes import find_known
from train.evaluate.predictions import Predictions
from train.evaluate.scoring import read_radiograph

COUNT: Final = 12
_SIDE: Final = 256  # pixels of the longer side


@dataclass(frozen=True, eq=False, slots=True)
class Example:
    """One radiograph, uint8 (h, w); what it is, what it was called, the probability of that."""

    picture: NDArray[np.uint8]
    truth: str
    called: str
    confidence: float


@dataclass(frozen=True, eq=False, slots=True)
class Calls:
    """Of n films: what each is, what it was called, and the probability of that, in [0, 1].

    Among three classes where the model tells them and the film's is known; else normal or
    pneumonia, at the operating point.
    """

    truths: list[str]
    called: list[str]
    confidences: list[float]

    @classmethod
    def of(cls, predictions: Predictions) -> "Calls":
        p, predicted = predictions.probabilities, predictions.predicted
        truths = [TWO_CLASSES[label] for label in predictions.labels]
        called = [TWO_CLASSES[label] for label in predicted]
        confidences = np.where(predicted == 1, p, 1 - p)
        if (probabilities := predictions.class_probabilities) is not None:
            for i in np.flatnonzero(find_known(predictions)):
                truths[i] = predictions.etiologies[i]
                called[i] = THREE_CLASSES[probabilities[i].argmax()]
                confidences[i] = probabilities[i].max()
        return cls(truths, called, confidences.tolist())


def choose(calls: Calls, count: int = COUNT) -> list[int]:
    """Which films to show: wrong ones up to a third of them, the classes by turns.

    Drawn, not the best nor the worst, with the same draw each time; the wrong ones come last.
    """
    drawn = np.random.default_rng(0).permutation(len(calls.truths)).tolist()
    wrong = [i for i in drawn if calls.truths[i] != calls.called[i]]
    right = [i for i in drawn if calls.truths[i] == calls.called[i]]
    few = min(len(wrong), max(count // 3, count - len(right)))
    return _by_turns(right, calls.truths)[: count - few] + _by_turns(wrong, calls.truths)[:few]


def _by_turns(radiographs: Sequence[int], truths: Sequence[str]) -> list[int]:
    """The first of each class, then the second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for radiograph in radiographs:
        turns.append(seen.get(truths[radiograph], 0))
        seen[truths[radiograph]] = turns[-1] + 1
    return [
        radiograph
        for _, radiograph in sorted(zip(turns, radiographs, strict=True), key=lambda pair: pair[0])
    ]


def show(predictions: Predictions, rows: Mapping[str, Row]) -> list[Example]:
    """The chosen radiographs as they look on a screen, 256 pixels at the longer side.

    Parameters
    ----------
    rows
        By file name.
    """
    calls = Calls.of(predictions)
    examples = []
    for i in choose(calls):  # one by one: they may be large
        shown = display.to_display(read_radiograph(rows[predictions.files[i]]).pixels)
        examples.append(
            Example(_shrink(shown), calls.truths[i], calls.called[i], calls.confidences[i])
        )
    return examples


def _shrink(shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _SIDE / max(shown.shape)
    height, width = (max(1, round(side * scale)) for side in shown.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(shown, (width, height), interpolation=how), np.uint8)
