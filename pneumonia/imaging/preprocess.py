"""One preprocessing for training, evaluation and serving, and the way back for a map.

The bundle's card carries a :class:`PreprocessSpec`; :func:`apply` is the only code that turns a
film into a network's input, and the :class:`Geometry` it returns is the only code that takes a
map from the network's grid back onto the film.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_ALL_ROWS = slice(None)


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """How a film becomes a network's input; written to the card and read back from it.

    Attributes
    ----------
    size
        Side of the square input, pixels.
    window
        Lower and upper percentile (0 to 100) of the film's grey levels that become 0 and 1: the
        same film at another exposure, bit depth or window gives the same input.
    mean, std
        Per-channel normalisation of the [0, 1] grey level, which is repeated on three channels.
    """

    size: int = 224
    window: tuple[float, float] = (0.5, 99.5)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        low, high = self.window
        if not 32 <= self.size <= 2048:
            raise ValueError(f"size must be 32 to 2048 pixels, not {self.size}")
        if not 0 <= low < high <= 100:
            raise ValueError(f"window must be two rising percentiles, not {self.window}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, not {self.std}")

    def as_dict(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises TypeError or ValueError for unknown, missing-typed or out-of-range values."""
        known: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
        }
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the network's square input lies on the film.

    Attributes
    ----------
    width, height
        Size of the film in pixels.
    box
        (x0, y0, x1, y1) in film pixels, edges not centres: the rectangle that the input square
        covers, each axis scaled linearly. It may reach beyond the film where the input is padded.
    """

    width: int
    height: int
    box: tuple[float, float, float, float]

    def to_film(self, values: NDArray[np.float32], rows: slice = _ALL_ROWS) -> NDArray[np.float32]:
        """Carry a map from the network's grid to the film, bilinearly.

        Parameters
        ----------
        values
            float32 (h, w): a map over the input square, cell edges on the square's edges.
        rows
            Which rows of the film to make; all of them unless given.

        Returns
        -------
        float32 (height or rows, width); pixels outside the box are 0.
        """
        x0, y0, x1, y1 = self.box
        h, w = values.shape
        # Half-pixel centres: film pixel i lies at (i + 0.5 - x0) / (x1 - x0) of the square.
        xs = (np.arange(self.width, dtype=np.float32) + 0.5 - x0) / (x1 - x0) * w - 0.5
        ys = (np.arange(self.height, dtype=np.float32) + 0.5 - y0) / (y1 - y0) * h - 0.5
        ys = ys[rows]
        inside_x = (xs >= -0.5) & (xs <= w - 0.5)
        inside_y = (ys >= -0.5) & (ys <= h - 0.5)
        # Bilinear interpolation is separable: rows first, then columns, as two small products.
        film = _interpolation(ys, h) @ values @ _interpolation(xs, w).T
        film[~inside_y, :] = 0
        film[:, ~inside_x] = 0
        return np.ascontiguousarray(film, dtype=np.float32)


def _interpolation(at: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """The (len(at), cells) matrix that samples a row of cells at the given places, edges held."""
    at = np.clip(at, 0, cells - 1)
    left = np.minimum(np.floor(at).astype(np.intp), max(cells - 2, 0))
    part = (at - left).astype(np.float32)
    matrix = np.zeros((len(at), cells), np.float32)
    rows = np.arange(len(at))
    matrix[rows, left] = 1 - part
    if cells > 1:
        matrix[rows, left + 1] += part
    return matrix


def apply(
    pixels: NDArray[np.float32], spec: PreprocessSpec
) -> tuple[NDArray[np.float32], Geometry]:
    """Turn a film into a network's input.

    Parameters
    ----------
    pixels
        float32 (height, width) in [0, 1], as in ``Radiograph.pixels``.

    Returns
    -------
    input
        float32 (3, size, size), normalised.
    geometry
        Where that square lies on the film: the way back for a map.
    """
    height, width = pixels.shape
    square = to_square(pixels, spec)
    return normalise(stretch(square, spec), spec), Geometry(width, height, (0, 0, width, height))


def to_square(pixels: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Resample the whole film to (size, size), float32 in [0, 1].

    Pillow's bilinear filter, whose support grows as the film shrinks: it is the one that made the
    public 224 x 224 copies of the training films, so an original and its copy give one input.
    """
    if pixels.shape == (spec.size, spec.size):
        return pixels
    square = Image.fromarray(pixels).resize((spec.size, spec.size), Image.Resampling.BILINEAR)
    return np.asarray(square)


def stretch(square: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Map the spec's percentiles of the grey levels to 0 and 1, clipping outside."""
    low, high = np.percentile(square, spec.window)
    scaled = (square - np.float32(low)) * np.float32(1 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled, 0, 1), np.float32)


def normalise(square: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Repeat a (size, size) grey square on three channels and normalise: float32 (3, s, s)."""
    mean = np.asarray(spec.mean, np.float32)[:, None, None]
    std = np.asarray(spec.std, np.float32)[:, None, None]
    return np.ascontiguousarray((square[None] - mean) / std, dtype=np.float32)
