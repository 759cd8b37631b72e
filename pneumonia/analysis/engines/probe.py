"""Drawn films that every engine is asked about."""

import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging import preprocess
from pneumonia.imaging.lungs import to_input
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.imaging.synthetic import synthetic_squares

_DRAWN = 2


def classifier_images(spec: PreprocessSpec) -> NDArray[np.float32]:
    """As the classifier is given them: float32 (2, 3, size, size)."""
    return np.stack(
        [
            preprocess.apply_to_square(preprocess.to_square(film, spec.grid), film.shape, spec)[0]
            for film in synthetic_squares(_DRAWN)
        ]
    )


def lung_images(side: int) -> NDArray[np.float32]:
    """As the lung network is given them: float32 (2, 1, side, side)."""
    return np.stack([to_input(square, side) for square in synthetic_squares(_DRAWN)])[:, None]
