"""All that a run reads: its films, decoded, with their lungs, in the two sides of the split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.errors import DataError
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square
from train.data.dataset import Decoded, RadiographDataset
from train.data.manifest import Manifest, Row
from train.data.splits import Division
from train.data.squares import OnBadImage, load_squares
from train.distributed import ALONE, Ranks
from train.recipes.recipe import Recipe
from train.reporter import Reporter

_TOGETHER = 32  # films through the lung network at once


@dataclass(frozen=True, slots=True)
class Radiographs:
    """Decoded training and validation films, and the hash of the folder they came from."""

    train_rows: tuple[Row, ...]
    train: RadiographDataset
    validation_rows: tuple[Row, ...]
    validation: RadiographDataset
    digest: str

    def counts(self, classes: Sequence[str]) -> dict[str, dict[str, int]]:
        """Films by side of the split and class."""
        sides = {"training": self.train, "validation": self.validation}
        return {
            name: {c: int((radiographs.targets == i).sum()) for i, c in enumerate(classes)}
            for name, radiographs in sides.items()
        }


def load(
    root: Path,
    division: Division,
    recipe: Recipe,
    segmenter: LungSegmenter | None,
    seed: int,
    cache: Path,
    on_bad_image: OnBadImage,
    reporter: Reporter,
    ranks: Ranks = ALONE,
) -> Radiographs:
    """Decode training and validation films and find the lungs where the recipe needs them.

    Raises
    ------
    DataError
        Naming the file, for a film that cannot be read when ``on_bad_image`` is ``"stop"``; or
        when a side is without one of the recipe's classes.
    """
    kept, decoded = [], []
    for rows, name in ((division.train, "training"), (division.validation, "validation")):
        with ranks.leader_first(), reporter.bar(f"reading {name} films", len(rows)) as advance:
            read, squares = load_squares(
                rows, recipe.preprocess.grid, cache, on_bad_image, advance, reporter.warn
            )
        masks = None
        if segmenter is not None and recipe.needs_lungs:
            masks = segment_lungs(segmenter, squares, f"lungs of {name} films", reporter)
        kept.append(read)
        decoded.append(Decoded.of(read, squares, masks, recipe.classes))
        _check_classes(decoded[-1], recipe.classes, name)
    spec = _spec(recipe, decoded[0])
    augmentation = None if recipe.augmentation.changes_nothing else recipe.augmentation
    return Radiographs(
        kept[0],
        RadiographDataset(decoded[0], spec, augmentation, seed),
        kept[1],
        RadiographDataset(decoded[1], spec),
        Manifest(root, kept[0] + kept[1]).digest(),
    )


def _check_classes(radiographs: Decoded, classes: Sequence[str], side: str) -> None:
    absent = [c for i, c in enumerate(classes) if i not in radiographs.targets]
    if absent:
        raise DataError(
            f"The {side} films hold none that is {' or '.join(absent)}, and the recipe tells "
            f"{len(classes)} classes apart. Add films, or choose another split seed."
        )


def _spec(recipe: Recipe, radiographs: Decoded) -> PreprocessSpec:
    """The recipe's preprocessing; by the films' own mean and deviation where it says so."""
    if recipe.statistics == "given":
        return recipe.preprocess
    plain = replace(recipe.preprocess, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    total = squares = 0.0
    for index in range(len(radiographs.targets)):
        square = np.array(radiographs.squares[index])
        x, _ = apply_to_square(square, square.shape, plain, radiographs.lungs(index))
        total += float(x[0].mean(dtype=np.float64))
        squares += float((x[0].astype(np.float64) ** 2).mean())
    mean = total / len(radiographs.targets)
    deviation = max((squares / len(radiographs.targets) - mean**2) ** 0.5, 1e-3)
    mean, deviation = round(mean, 4), round(deviation, 4)
    return replace(recipe.preprocess, mean=(mean,) * 3, std=(deviation,) * 3)


def segment_lungs(
    segmenter: LungSegmenter, squares: NDArray[np.float32], label: str, reporter: Reporter
) -> NDArray[np.bool_]:
    """bool (n, S, S): the lungs' masks on the square grid."""
    masks = np.zeros(squares.shape, np.bool_)
    with reporter.bar(label, len(squares)) as advance:
        for start in range(0, len(squares), _TOGETHER):
            batch = [np.array(square) for square in squares[start : start + _TOGETHER]]
            for i, segmentation in enumerate(segmenter.segment(batch), start):
                masks[i] = segmentation.lungs.mask
            advance(len(batch))
    return masks
