"""One preprocessing for training, evaluation and serving, and the way back for a map.

The bundle's card carries a :class:`PreprocessSpec`; :func:`apply_to_square` turns a film into a
network's input, and the :class:`Geometry` it returns is the only code that takes a map from the
network's grid back onto the film. ``train.data.view`` goes the same steps with changes in between.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumonia.imaging.display import to_display
from pneumonia.imaging.lungs import Lungs

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_ALL_ROWS = slice(None)
_NARROW = 0.25  # of the range of greys; no public film is so narrow
_COPY_QUALITY = 75  # of the public training films


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """How a film becomes a network's input; written to the card and read back from it.

    Attributes
    ----------
    size
        Side of the square input, pixels.
    grid
        Side of the square, pixels, that the whole film is resampled to before anything else, as
        the public training films were: a film and its small copy give the same input.
    crop
        What the input shows: the whole ``"film"``, or the ``"lungs"`` with a margin, their box
        scaled to the square on each axis by itself, so that the shape of a film tells nothing.
    margin
        Around the lungs, as a part of their box's width and height.
    levels
        What the grey levels are measured by: the percentiles of the ``"window"``, or the mean and
        deviation inside the ``"lungs"``, so that borders, letters and collimation have no say.
    window
        Lower and upper percentile (0 to 100) of the film's grey levels that become 0 and 1: the
        same film at another exposure, bit depth or window gives the same input.
    mean, std
        Per-channel normalisation of the [0, 1] grey level, which is repeated on three channels.
    """

    size: int = 224
    grid: int = 224
    crop: Literal["film", "lungs"] = "film"
    margin: float = 0.15
    levels: Literal["window", "lungs"] = "window"
    window: tuple[float, float] = (0.5, 99.5)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        low, high = self.window
        for name, side in (("size", self.size), ("grid", self.grid)):
            if not 32 <= side <= 2048:
                raise ValueError(f"{name} must be 32 to 2048 pixels, not {side}")
        if self.crop not in ("film", "lungs") or self.levels not in ("window", "lungs"):
            raise ValueError(f"crop {self.crop!r} or levels {self.levels!r} is not known")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"margin must be 0 to 1, not {self.margin}")
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

    def to_radiograph(
        self, values: NDArray[np.float32], rows: slice = _ALL_ROWS
    ) -> NDArray[np.float32]:
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
        radiograph = _interpolation(ys, h) @ values @ _interpolation(xs, w).T
        radiograph[~inside_y, :] = 0
        radiograph[:, ~inside_x] = 0
        return np.ascontiguousarray(radiograph, dtype=np.float32)


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


def apply_to_square(
    square: NDArray[np.float32],
    radiograph_size: tuple[int, int],
    spec: PreprocessSpec,
    lungs: Lungs | None = None,
) -> tuple[NDArray[np.float32], Geometry]:
    """Turn a film on the square grid into a network's input.

    Parameters
    ----------
    square
        float32 (grid, grid) in [0, 1].
    radiograph_size
        Width and height in pixels of the film that the square stands for.
    lungs
        On the same grid, for a spec that asks for them; where there are none, or none were found,
        the whole film is shown.

    Returns
    -------
    input
        float32 (3, size, size), normalised.
    geometry
        Where that square lies on the film: the way back for a map.
    """
    width, height = radiograph_size
    box = crop_box(spec, lungs)
    matrix = window_matrix(spec, box)
    shown = warp(square, matrix, spec.size)
    inside = None
    if spec.levels == "lungs" and lungs is not None:
        inside = warp(np.asarray(lungs.mask, np.float32), matrix, spec.size)
    x0, y0, x1, y1 = box
    radiograph_box = (x0 * width, y0 * height, x1 * width, y1 * height)
    return normalise(scale_greys(shown, spec, inside), spec), Geometry(
        width, height, radiograph_box
    )


def to_square(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Resample the whole film to (side, side), float32 in [0, 1], as the public copies were made.

    Eight bits, as a screen shows it; Pillow's bilinear filter, whose support grows as the film
    shrinks; JPEG at quality 75. An original goes through what its 224 x 224 copy went through, and
    the two give one input, bit for bit. A film of that size already is taken as it is, but for
    greys so narrow that they are spread first, as those of any other size are.
    """
    if pixels.shape == (side, side):
        narrow = np.ptp(pixels) < _NARROW
        return to_display(pixels).astype(np.float32) / np.float32(255) if narrow else pixels
    radiograph = Image.fromarray(to_display(pixels))
    square = np.asarray(radiograph.resize((side, side), Image.Resampling.BILINEAR))
    _, data = cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, _COPY_QUALITY])
    copy = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return copy.astype(np.float32) / np.float32(255)


def crop_box(spec: PreprocessSpec, lungs: Lungs | None) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) of what the input shows, as fractions of the film; may reach beyond it."""
    box = lungs.box if lungs is not None and spec.crop == "lungs" else None
    if box is None:
        return 0.0, 0.0, 1.0, 1.0
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * spec.margin, (y1 - y0) * spec.margin
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def window_matrix(
    spec: PreprocessSpec, box: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """The affine (2, 3) matrix from the grid's pixels to the input's, centres to centres."""
    x0, y0, x1, y1 = (edge * spec.grid for edge in box)
    sx, sy = spec.size / (x1 - x0), spec.size / (y1 - y0)
    return np.array(
        [[sx, 0, (0.5 - x0) * sx - 0.5], [0, sy, (0.5 - y0) * sy - 0.5]], dtype=np.float64
    )


def warp(
    square: NDArray[np.float32], matrix: NDArray[np.float64], size: int
) -> NDArray[np.float32]:
    """Resample a (S, S) square to (size, size), bilinearly; beyond the film is black."""
    if size == square.shape[0] and np.array_equal(matrix, np.eye(2, 3)):
        return square
    return np.asarray(
        cv2.warpAffine(square, matrix, (size, size), flags=cv2.INTER_LINEAR), np.float32
    )


def scale_greys(
    square: NDArray[np.float32], spec: PreprocessSpec, inside: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Grey levels as the spec wants them, float32 (size, size).

    Parameters
    ----------
    inside
        float32 (size, size): the share of lung in each pixel. With ``levels="lungs"`` the levels
        inside come to a mean of 0.5 and a deviation of 0.22, clipped to [-1, 2].
    """
    if spec.levels == "lungs":
        weight = inside if inside is not None and inside.sum() > 1 else np.ones_like(square)
        mean = float(np.average(square, weights=weight))
        deviation = float(np.average((square - mean) ** 2, weights=weight)) ** 0.5
        # A flat patch has no levels to spread: enlarging its noise would invent some.
        scaled = (square - np.float32(mean)) * np.float32(0.22 / max(deviation, 0.03))
        return np.asarray(np.clip(scaled + np.float32(0.5), -1, 2), np.float32)
    low, high = np.percentile(square, spec.window)
    scaled = (square - np.float32(low)) * np.float32(1 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled, 0, 1), np.float32)


def normalise(square: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Repeat a (size, size) grey square on three channels and normalise: float32 (3, s, s)."""
    mean = np.asarray(spec.mean, np.float32)[:, None, None]
    std = np.asarray(spec.std, np.float32)[:, None, None]
    return np.ascontiguousarray((square[None] - mean) / std, dtype=np.float32)
