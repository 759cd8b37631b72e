"""A film's input in one call, for tests: the steps that the predictor takes around the gate."""

import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import Geometry, PreprocessSpec, apply_to_square, to_square


def apply(
    pixels: NDArray[np.float32], spec: PreprocessSpec, lungs: Lungs | None = None
) -> tuple[NDArray[np.float32], Geometry]:
    height, width = pixels.shape
    return apply_to_square(to_square(pixels, spec.grid), (width, height), spec, lungs)
