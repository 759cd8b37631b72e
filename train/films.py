"""All that a run reads: its films, decoded, with their lungs, in the two sides of the split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.lungs import LungFinder
from train.dataset import Decoded, FilmSet, OnBadImage, load_squares
from train.manifest import Manifest, Row
from train.recipe import Recipe
from train.reporter import Reporter

_TOGETHER = 32  # films through the lung network at once


@dataclass(frozen=True, slots=True)
class Films:
    """Decoded training and validation films, and the hash of the folder they came from."""

    train_rows: tuple[Row, ...]
    train: FilmSet
    validation_rows: tuple[Row, ...]
    validation: FilmSet
    digest: str


def load(
    root: Path,
    sides: tuple[Sequence[Row], Sequence[Row]],
    recipe: Recipe,
    finder: LungFinder | None,
    seed: int,
    cache: Path,
    on_bad_image: OnBadImage,
    reporter: Reporter,
) -> Films:
    """Decode both sides (training, validation) and find the lungs where the recipe needs them.

    Raises
    ------
    DataError
        Naming the file, for a film that cannot be read when ``on_bad_image`` is ``"stop"``.
    """
    kept, decoded = [], []
    for rows, name in zip(sides, ("training", "validation"), strict=True):
        with reporter.bar(f"reading {name} films", len(rows)) as advance:
            read, squares = load_squares(
                rows, recipe.preprocess.grid, cache, on_bad_image, advance, reporter.warn
            )
        masks = None
        if finder is not None and recipe.needs_lungs:
            masks = find_lungs(finder, squares, f"lungs of {name} films", reporter)
        kept.append(read)
        decoded.append(Decoded.of(read, squares, masks))
    spec = recipe.preprocess
    return Films(
        kept[0],
        FilmSet(decoded[0], spec, recipe.augmentation, seed),
        kept[1],
        FilmSet(decoded[1], spec),
        Manifest(root, kept[0] + kept[1]).digest(),
    )


def find_lungs(
    finder: LungFinder, squares: NDArray[np.float32], label: str, reporter: Reporter
) -> NDArray[np.bool_]:
    """bool (n, S, S): the lungs' masks on the square grid."""
    masks = np.zeros(squares.shape, np.bool_)
    with reporter.bar(label, len(squares)) as advance:
        for start in range(0, len(squares), _TOGETHER):
            batch = [np.array(square) for square in squares[start : start + _TOGETHER]]
            for i, sight in enumerate(finder.look(batch), start):
                masks[i] = sight.lungs.mask
            advance(len(batch))
    return masks
