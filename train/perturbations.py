"""A film changed on purpose: what should not matter, and what should.

Every alteration changes the grey pixels of a film before anything else sees them, so the lungs are
found again and the whole pipeline reads what is left. ``SHORTCUTS`` ask whether the verdict comes
from the lungs, ``ROBUSTNESS`` whether it survives another machine, exposure or file.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from pneumonia.imaging.lungs import Lungs

Pixels = NDArray[np.float32]
#: float32 (H, W) in [0, 1], where the lungs are, a generator -> float32 (H', W') in [0, 1].
Perturbation = Callable[[Pixels, "Lungs | None", np.random.Generator], Pixels]

GRID: Final = 224  # pixels a side: what a width in pixels or the grain of a noise refers to
_ENLARGED: Final = 0.02  # of the film, on every side of the lungs: nothing of their outline stays
_BORDER: Final = 0.08
_SQUASH: Final = 0.75


def generator(file: str, perturbation: str) -> np.random.Generator:
    """The draws of one alteration of one film: the same wherever the film lies and runs begin."""
    key = hashlib.sha256(f"{perturbation}\t{Path(file).name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:8]))


def black_out_lungs(radiograph: Pixels, lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    """Black over the rectangle around both lungs and a little more.

    Raises
    ------
    ValueError
        Without lungs: see :func:`can_perturb`.
    """
    if lungs is None or lungs.box is None:
        raise ValueError("lungs can only be covered where they are known")
    height, width = radiograph.shape
    x0, y0, x1, y1 = lungs.box
    covered = radiograph.copy()
    rows = slice(_pixel(y0 - _ENLARGED, height), _pixel(y1 + _ENLARGED, height))
    covered[rows, _pixel(x0 - _ENLARGED, width) : _pixel(x1 + _ENLARGED, width)] = 0
    return covered


def keep_only_lungs(radiograph: Pixels, lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    """The mean grey of the lungs everywhere else. Raises ValueError without lungs."""
    if lungs is None or lungs.box is None:
        raise ValueError("only the lungs can be kept where they are known")
    height, width = radiograph.shape
    mask = lungs.mask.astype(np.uint8)
    inside = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    level = radiograph[inside].mean() if inside.any() else radiograph.mean()
    return np.where(inside, radiograph, level).astype(np.float32)


def crop_borders(radiograph: Pixels, _lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    height, width = radiograph.shape
    y, x = round(height * _BORDER), round(width * _BORDER)
    return np.ascontiguousarray(radiograph[y : height - y, x : width - x])


def squash_aspect(radiograph: Pixels, _lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    height, width = radiograph.shape
    size = (max(1, round(width * _SQUASH)), height)
    return np.asarray(cv2.resize(radiograph, size, interpolation=cv2.INTER_AREA), np.float32)


def stamp_text(radiograph: Pixels, _lungs: "Lungs | None", random: np.random.Generator) -> Pixels:
    """An R and, below it, a view and a time of day, in white in one of the four corners."""
    height, width = radiograph.shape
    right, low = random.random(2) < 0.5
    lines = (("R", 0.09), (f"AP {random.integers(24):02}:{random.integers(60):02}", 0.035))
    ink = np.zeros(radiograph.shape, np.uint8)
    y = round(height * (0.8 if low else 0.04))
    for text, tall in lines:
        scale = tall * height / 22  # the font's capitals are 22 pixels high at scale 1
        stroke = max(1, round(scale * 2))
        (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
        x = width - wide - round(width * 0.04) if right else round(width * 0.04)
        at, font = (x, y + high), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(ink, text, at, font, scale, 255, stroke, cv2.LINE_AA)
        y += high + round(height * 0.02)
    return np.asarray(np.maximum(radiograph, ink.astype(np.float32) / np.float32(255)))


def change_contrast(
    radiograph: Pixels, _lungs: "Lungs | None", random: np.random.Generator
) -> Pixels:
    factor = np.float32(random.choice((0.6, 1.4)))
    mean = radiograph.mean()
    return _clipped((radiograph - mean) * factor + mean)


def change_gamma(radiograph: Pixels, _lungs: "Lungs | None", random: np.random.Generator) -> Pixels:
    return _clipped(np.power(radiograph, np.float32(random.choice((0.6, 1.6)))))


def add_noise(radiograph: Pixels, _lungs: "Lungs | None", random: np.random.Generator) -> Pixels:
    grid = to_grid(radiograph)
    return _clipped(grid + random.standard_normal(grid.shape, np.float32) * np.float32(0.05))


def blur(radiograph: Pixels, _lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    return _clipped(cv2.GaussianBlur(to_grid(radiograph), (0, 0), 1.5))


def compress(radiograph: Pixels, _lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    grey = np.rint(to_grid(radiograph) * 255).astype(np.uint8)
    _is_encoded, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return decoded.astype(np.float32) / np.float32(255)


def rotate(radiograph: Pixels, _lungs: "Lungs | None", random: np.random.Generator) -> Pixels:
    height, width = radiograph.shape
    degrees = float(random.choice((-10, 10)))
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return _clipped(cv2.warpAffine(radiograph, turn, (width, height), flags=cv2.INTER_LINEAR))


def invert(radiograph: Pixels, _lungs: "Lungs | None", _: np.random.Generator) -> Pixels:
    return np.float32(1) - radiograph


SHORTCUTS: Final[dict[str, Perturbation]] = {
    "lungs blacked out": black_out_lungs,
    "only the lungs": keep_only_lungs,
    "borders cropped": crop_borders,
    "aspect squashed": squash_aspect,
    "text stamped": stamp_text,
}
ROBUSTNESS: Final[dict[str, Perturbation]] = {
    "contrast": change_contrast,
    "gamma": change_gamma,
    "noise": add_noise,
    "blur": blur,
    "jpeg 30": compress,
    "rotation 10": rotate,
    "inversion": invert,
}
#: What was done, for people.
WHAT: Final[dict[str, str]] = {
    "lungs blacked out": "the rectangle around both lungs, and 2 % of the film more on every side, "
    "set to 0; what is left should tell nothing",
    "only the lungs": "everything outside the lungs set to their mean grey",
    "borders cropped": "8 % cut off every side",
    "aspect squashed": "the width times 0.75; where films are squeezed into a square anyway, only "
    "the resampling differs",
    "text stamped": "an R and a line of text burnt in white into a random corner",
    "contrast": "0.6 or 1.4 times about the mean grey, at random",
    "gamma": "grey levels to the power 0.6 or 1.6, at random",
    "noise": "Gaussian, standard deviation 0.05 of the full range, on 224 x 224 pixels",
    "blur": "Gaussian, sigma 1.5 pixels on 224 x 224 pixels",
    "jpeg 30": "compressed at quality 30 on 224 x 224 pixels",
    "rotation 10": "10 degrees to the left or the right, at random; black comes in at the corners",
    "inversion": "bright and dark exchanged",
}
_OF_THE_LUNGS: Final = frozenset({"lungs blacked out", "only the lungs"})


def can_perturb(name: str, lungs: "Lungs | None") -> bool:
    """Whether a film can be altered so: two alterations need to know where the lungs are."""
    return name not in _OF_THE_LUNGS or (lungs is not None and lungs.box is not None)


def to_grid(radiograph: Pixels) -> Pixels:
    """The whole film on 224 x 224 pixels, float32; a film of that size as it is.

    Pillow's bilinear filter, as in the preprocessing: an original and its small copy give one
    picture, so the same noise or blur is done to both.
    """
    if radiograph.shape == (GRID, GRID):
        return radiograph
    resized = Image.fromarray(radiograph).resize((GRID, GRID), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)


def _pixel(fraction: float, size: int) -> int:
    return round(min(max(fraction, 0.0), 1.0) * size)


def _clipped(radiograph: "NDArray[np.float32] | cv2.typing.MatLike") -> Pixels:
    return np.ascontiguousarray(np.clip(radiograph, 0, 1), np.float32)
