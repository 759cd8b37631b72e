"""Training and validation datasets of a recipe: decoded radiographs, and their lungs."""

import hashlib
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
from train.files import replacing
from train.recipes.recipe import Recipe
from train.reporter import Reporter

_BATCH_SIZE = 32  # radiographs through the lung network at once


@dataclass(frozen=True, slots=True)
class Datasets:
    """The datasets of the two sides of a split, with the rows that could be read.

    ``train`` is augmented, ``validation`` is as it will be served.
    """

    train_rows: tuple[Row, ...]
    train: RadiographDataset
    validation_rows: tuple[Row, ...]
    validation: RadiographDataset
    classes: tuple[str, ...]
    digest: str  # of all the radiographs, for the card and for a run that is resumed

    def class_counts(self) -> dict[str, dict[str, int]]:
        """Radiographs by side of the split and class."""
        sides = {"training": self.train, "validation": self.validation}
        return {
            name: {c: int((side.targets == i).sum()) for i, c in enumerate(self.classes)}
            for name, side in sides.items()
        }


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads radiographs from disk.

    Attributes
    ----------
    cache
        Folder where decoded radiographs and the lungs found on them are kept for later runs.
    segmenter
        The lung network; None for a run without one. ``lungs_digest`` tells it from others.
    """

    root: Path
    cache: Path
    on_bad_image: OnBadImage
    segmenter: LungSegmenter | None
    lungs_digest: str
    reporter: Reporter

    def decode(
        self, rows: tuple[Row, ...], recipe: Recipe, side: str
    ) -> tuple[tuple[Row, ...], Decoded]:
        """One side of the split, with the lungs found where the recipe needs them.

        Raises
        ------
        DataError
            Naming the file, for one that cannot be read when ``on_bad_image`` is ``"stop"``; or
            when the side is without one of the recipe's classes.
        """
        grid = recipe.preprocess.grid
        with self.reporter.bar(f"reading {side} films", len(rows)) as advance:
            kept, squares = load_squares(
                rows, grid, self.cache, self.on_bad_image, advance, self.reporter.warn
            )
        masks = None
        if self.segmenter is not None and recipe.needs_lungs:
            found = self.cache / f"lungs-{self.lungs_digest[:16]}"
            label = f"lungs of {side} films"
            masks = segment_lungs(self.segmenter, squares, found, label, self.reporter)
        decoded = Decoded.of(kept, squares, masks, recipe.classes)
        _check_classes(decoded, recipe.classes, side)
        return kept, decoded


def load(division: Division, recipe: Recipe, seed: int, reader: Reader) -> Datasets:
    """Read both sides of a split. Raises DataError as :meth:`Reader.decode`."""
    train_rows, train = reader.decode(division.train, recipe, "training")
    validation_rows, validation = reader.decode(division.validation, recipe, "validation")
    spec = recipe.preprocess if recipe.statistics == "given" else _own_statistics(recipe, train)
    return Datasets(
        train_rows,
        RadiographDataset(train, spec, recipe.augmentation, seed),
        validation_rows,
        RadiographDataset(validation, spec),
        recipe.classes,
        Manifest(reader.root, train_rows + validation_rows).digest(),
    )


def _check_classes(radiographs: Decoded, classes: Sequence[str], side: str) -> None:
    absent = [c for i, c in enumerate(classes) if i not in radiographs.targets]
    if absent:
        raise DataError(
            f"The {side} films hold none that is {' or '.join(absent)}, and the recipe tells "
            f"{len(classes)} classes apart. Add films, or choose another split seed."
        )


def _own_statistics(recipe: Recipe, radiographs: Decoded) -> PreprocessSpec:
    """The recipe's preprocessing, normalised by these radiographs' own mean and deviation."""
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
    segmenter: LungSegmenter,
    squares: NDArray[np.float32],
    cache: Path,
    label: str,
    reporter: Reporter,
) -> NDArray[np.bool_]:
    """bool (n, S, S): the lungs' masks on the square grid.

    Parameters
    ----------
    cache
        This lung network's folder, a file per radiograph by its content: data sets that share
        radiographs, or a source left out, find them there.
    """
    cache.mkdir(parents=True, exist_ok=True)
    masks = np.zeros(squares.shape, np.bool_)
    paths = [cache / f"{hashlib.sha256(square.tobytes()).hexdigest()}.npy" for square in squares]
    missing = [i for i, path in enumerate(paths) if not path.is_file()]
    for i in set(range(len(squares))).difference(missing):
        bits = np.unpackbits(np.load(paths[i]), count=masks[i].size)
        masks[i] = bits.reshape(masks[i].shape)
    with reporter.bar(label, len(squares)) as advance:
        advance(len(squares) - len(missing))
        for start in range(0, len(missing), _BATCH_SIZE):
            some = missing[start : start + _BATCH_SIZE]
            found = segmenter.segment([np.array(squares[i]) for i in some])
            for i, segmentation in zip(some, found, strict=True):
                masks[i] = segmentation.lungs.mask
                with replacing(paths[i]) as partial, partial.open("wb") as file:
                    np.save(file, np.packbits(masks[i]))
            advance(len(some))
    return masks
