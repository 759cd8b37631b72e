"""The lung network's dataset: radiographs with lungs that people drew, as it is shown them."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pneumonia.errors import DataError
from pneumonia.imaging.lungs import to_input
from pneumonia.networks.lung_unet import TURNS
from train.data import manifest, masks
from train.data.augment import augment
from train.data.dataset import Key
from train.data.manifest import Row
from train.data.splits import divide
from train.data.squares import OnBadImage, load_squares
from train.recipes.recipe import LungRecipe
from train.recipes.sections import Split
from train.reporter import Reporter

Sides = tuple[tuple[Row, ...], tuple[Row, ...]]  # to train on, and of patients held out


@dataclass(frozen=True, eq=False, slots=True)
class MaskedRadiographs:
    """One side of the split: n films as squares in [0, 1] with their lungs, both (n, S, S)."""

    rows: tuple[Row, ...]
    squares: NDArray[np.float32]
    masks: NDArray[np.bool_]


class LungDataset(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Films with their lungs; augmented and turned as (seed, epoch, index) decides, or plain."""

    def __init__(
        self,
        part: MaskedRadiographs,
        recipe: LungRecipe,
        seed: int | None,
    ) -> None:
        self.squares, self.masks = part.squares, part.masks
        self.recipe, self.seed = recipe, seed

    def __len__(self) -> int:
        return len(self.squares)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(1, S, S) film, (S / 2, S / 2) share of lung, () quarter turns, () inverted or not."""
        epoch, index = key
        square, mask = np.array(self.squares[index]), self.masks[index].astype(np.float32)
        turned, inverted = 0, False
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch, index))
            square, mask = augment(square, mask, self.recipe.augmentation, random)
            if random.random() < self.recipe.pose.turned:
                turned = int(random.integers(1, TURNS))
            inverted = bool(random.random() < self.recipe.pose.inverted)
        square, mask = np.rot90(square, turned), np.rot90(mask, turned)
        square = np.ascontiguousarray(1 - square if inverted else square)
        half = self.recipe.size // 2
        share = cv2.resize(np.ascontiguousarray(mask), (half, half), interpolation=cv2.INTER_AREA)
        return (
            torch.from_numpy(to_input(square, self.recipe.size)[None]),
            torch.from_numpy(share),
            torch.tensor(turned),
            torch.tensor(float(inverted)),
        )


def select(data: Path, split: Split, on_patient_overlap: str, dataset: str = "") -> Sides:
    """The films with a drawing in train and val: to train on, and of patients held out.

    Raises
    ------
    DataError
        As :func:`train.data.manifest.training_rows`; and when too few films have a drawing.
    """
    pool = manifest.training_rows(manifest.load(data, dataset), on_patient_overlap)
    rows = [row for row in pool if row.mask is not None]
    if not rows:
        raise DataError(
            f"No film under {data} has a lung mask: manifest.csv needs the column lung_mask."
        )
    division = divide(rows, split)
    return division.train, division.validation


def load(
    rows: tuple[Row, ...],
    side: int,
    cache: Path,
    on_bad_image: OnBadImage,
    name: str,
    reporter: Reporter,
) -> MaskedRadiographs:
    """Decode one side of the split; ``name`` is its name for people.

    Raises
    ------
    DataError
        Naming the file, for a film that cannot be read when ``on_bad_image`` is ``"stop"``, and
        for a drawing that cannot be read; or when no film is left.
    """
    with reporter.bar(f"reading {name} films", len(rows)) as advance:
        kept, squares = load_squares(rows, side, cache, on_bad_image, advance, reporter.warn)
    if not kept:
        raise DataError(
            f"None of the {len(rows)} {name} films with a lung mask can be read. Mend them, or "
            "give others masks."
        )
    drawn = np.zeros(squares.shape, np.bool_)
    for i, row in enumerate(kept):
        lungs = masks.read(row, side)
        assert lungs is not None
        drawn[i] = lungs.probability > 0.5
    return MaskedRadiographs(kept, squares, drawn)


def digest(data: Path, *parts: MaskedRadiographs) -> str:
    """Hash of all the radiographs and drawings, and of the radiographs' labels."""
    rows = tuple(row for part in parts for row in part.rows)
    return f"{manifest.Manifest(data, rows).digest()}-{masks.digest(rows)}"
