"""One training view of a film: the crop around its lungs, and what is done to it on purpose.

The changes of :mod:`train.data.augment` come first; then those that need the lungs. A verdict must
come from the lungs, so what lies outside them is often replaced, and a few films have their lungs
covered: of those nothing can be known, and the network is taught to say so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import (
    PreprocessSpec,
    crop_box,
    normalise,
    scale_greys,
    warp,
    window_matrix,
)
from train.data.augment import change_appearance, draw_move
from train.recipes.sections import Augmentation

Square = NDArray[np.float32]
Another = Callable[[np.random.Generator], Square]


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A network's input and what is known of it.

    Attributes
    ----------
    x
        float32 (3, size, size), normalised.
    inside
        float32 (size, size) in [0, 1]: where in the input the lungs are; zeros where not known.
    covered
        The lungs cannot be seen.
    """

    x: Square
    inside: Square
    covered: bool


def draw_view(
    square: Square,
    lungs: Lungs | None,
    spec: PreprocessSpec,
    knobs: Augmentation,
    random: np.random.Generator,
    another: Another,
) -> View:
    """A random view. The same generator, the same view.

    Parameters
    ----------
    square
        float32 (grid, grid) in [0, 1].
    another
        Draws the square of some other film, whose surroundings this one may be given.
    """
    known = lungs is not None and lungs.box is not None
    covered = known and bool(random.random() < knobs.covered)
    # Where the lungs are covered, serving will not find them: it then shows the whole film.
    whole = covered and bool(random.random() < 0.5)
    box = crop_box(spec, None if whole else lungs)
    move = draw_move(spec.size, knobs, random)
    matrix = window_matrix(spec, box)
    if move is not None:
        matrix = (np.vstack([move, (0, 0, 1)]) @ np.vstack([matrix, (0, 0, 1)]))[:2]
    shown = warp(square, matrix, spec.size)
    mask = lungs.mask if lungs is not None else np.zeros(square.shape, np.bool_)
    inside = warp(np.asarray(mask, np.float32), matrix, spec.size)
    if covered:
        shown = _cover_lungs(shown, inside, random)
    elif known and random.random() < knobs.outside:
        shown = _replace_outside(
            shown, inside, random, lambda: warp(another(random), matrix, spec.size)
        )
    shown = change_appearance(shown, knobs, random)
    measured = None if whole or not known else inside
    return View(normalise(scale_greys(shown, spec, measured), spec), inside, covered)


def _cover_lungs(shown: Square, inside: Square, random: np.random.Generator) -> Square:
    """A rectangle over both lungs and a little more, so that their outline tells nothing."""
    side = shown.shape[0]
    ys, xs = (np.flatnonzero((inside > 0).any(axis=axis)) for axis in (1, 0))
    if not len(ys):
        return shown
    top, bottom, left, right = (
        edge + outwards * round(side * random.uniform(0.015, 0.08))
        for edge, outwards in ((ys[0], -1), (ys[-1] + 1, 1), (xs[0], -1), (xs[-1] + 1, 1))
    )
    level = random.uniform(0, 1) if random.random() < 0.4 else 0.0
    shown = shown.copy()
    shown[max(top, 0) : bottom, max(left, 0) : right] = level
    return shown


def _replace_outside(
    shown: Square, inside: Square, random: np.random.Generator, another: Callable[[], Square]
) -> Square:
    """One grey level, or another film's surroundings, or these blurred; the seam somewhere near."""
    reach = int(random.integers(0, 13))
    keep = (
        cv2.dilate(inside, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) if reach else inside
    )
    if random.random() < 0.5:
        keep = cv2.GaussianBlur(keep, (0, 0), random.uniform(1, 5))
    kind = random.random()
    if kind < 0.4:
        level = shown[inside > 0.5].mean() if random.random() < 0.5 else random.uniform(0, 1)
        beyond = np.full_like(shown, level)
    elif kind < 0.8:
        beyond = another()
    else:
        beyond = cv2.GaussianBlur(shown, (0, 0), random.uniform(4, 12))
    # Rounding may leave the blend a hair below 0, of which no gamma can be taken.
    return np.asarray(np.clip(keep * shown + (1 - keep) * beyond, 0, 1), np.float32)
