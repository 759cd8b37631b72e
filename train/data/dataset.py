"""The classifier's dataset: decoded radiographs -> inputs, preprocessed as in serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pneumonia.analysis.finding import TWO_CLASSES
from pneumonia.errors import DataError
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square
from train.data.manifest import Row
from train.data.view import draw_view
from train.recipes.sections import Augmentation

#: Class, population and source of a radiograph.
Stratum = tuple[int, str, str]
Key = tuple[int, int]  # (view, index) of one drawn radiograph; the view is the epoch
STRIDE = 32  # of a map's cells, in pixels of the input


class Sample(NamedTuple):
    """One film, or a batch of them with a dimension more.

    Attributes
    ----------
    x
        (3, S, S) input, or what frozen layers make of it.
    target
        () int64, the class: 0 = normal, all others pneumonia.
    inside
        (h, w) share of lung in each cell of the map; zeros where the lungs are not known.
    covered
        () bool: the lungs cannot be seen.
    """

    x: Tensor
    target: Tensor
    inside: Tensor
    covered: Tensor

    @classmethod
    def plain(cls, x: Tensor, target: Tensor) -> Self:
        return cls(x, target, torch.zeros(1, 1), torch.tensor(False))


def classes_of(rows: Sequence[Row], classes: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the films' places among the classes: normal and pneumonia, or with the etiology.

    Raises
    ------
    DataError
        When three classes are asked for and a film's etiology is not known.
    """
    if len(classes) == len(TWO_CLASSES):
        return np.array([row.label == "PNEUMONIA" for row in rows], np.int64)
    for row in rows:
        if row.etiology not in classes:
            raise DataError(
                f"{row.file} is not known to be bacterial or viral, and the recipe tells them "
                "apart. Name the file as the public data set does (person1_bacteria_1.jpeg), or "
                "give manifest.csv the column etiology."
            )
    return np.array([classes.index(row.etiology) for row in rows], np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Decoded:
    """Radiographs on the square grid: float32 (n, S, S) in [0, 1], classes, masks where known.

    ``origins`` are their populations and sources; empty: all are alike.
    """

    squares: NDArray[np.float32]
    targets: NDArray[np.int64]
    masks: NDArray[np.bool_] | None = None
    origins: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        squares: NDArray[np.float32],
        masks: NDArray[np.bool_] | None = None,
        classes: Sequence[str] = TWO_CLASSES,
    ) -> Self:
        origins = tuple((row.population, row.source) for row in rows)
        return cls(squares, classes_of(rows, classes), masks, origins)

    @property
    def strata(self) -> list[Stratum]:
        """Class, population and source of each."""
        origins = self.origins or (("", ""),) * len(self.targets)
        pairs = zip(self.targets.tolist(), origins, strict=True)
        return [(target, population, source) for target, (population, source) in pairs]

    def lungs(self, index: int) -> Lungs | None:
        if self.masks is None:
            return None
        return Lungs(self.masks[index].astype(np.float32))


class RadiographDataset(Dataset[Sample]):
    """Films as inputs: plain as they are served, or augmented as (seed, epoch, index) decides."""

    def __init__(
        self,
        radiographs: Decoded,
        spec: PreprocessSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.radiographs = radiographs
        self.spec = spec
        # Of one that changes nothing, the plain radiograph is left.
        self.augmentation = None if augmentation == Augmentation() else augmentation
        self.seed = seed

    @property
    def targets(self) -> NDArray[np.int64]:
        return self.radiographs.targets

    @property
    def strata(self) -> list[Stratum]:
        return self.radiographs.strata

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        square, lungs = np.array(self.radiographs.squares[index]), self.radiographs.lungs(index)
        target = torch.tensor(self.targets[index])
        if self.augmentation is None:
            x, _ = apply_to_square(square, square.shape, self.spec, lungs)
            return Sample.plain(torch.from_numpy(x), target)
        random = np.random.default_rng((self.seed, epoch, index))
        view = draw_view(square, lungs, self.spec, self.augmentation, random, self._another)
        cells = -(-self.spec.size // STRIDE)
        inside = cv2.resize(view.inside, (cells, cells), interpolation=cv2.INTER_AREA)
        return Sample(
            torch.from_numpy(view.x), target, torch.from_numpy(inside), torch.tensor(view.covered)
        )

    def _another(self, random: np.random.Generator) -> NDArray[np.float32]:
        return np.array(self.radiographs.squares[random.integers(len(self))])
