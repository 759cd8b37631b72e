"""Random changes to a training film: what another child, machine, exposure or file could have been.

All of it works on a (S, S) float32 square in [0, 1], before the grey window and normalisation that
training shares with serving. Nothing mirrors the chest unless a recipe asks for it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from train.recipes.sections import Augmentation

Square = NDArray[np.float32]


def augment(
    square: Square, mask: Square, knobs: Augmentation, random: np.random.Generator
) -> tuple[Square, Square]:
    """One random version of a film and of a mask that moves with it.

    Both are float32 (S, S) in [0, 1]. The same generator, the same film.
    """
    matrix = draw_move(square.shape[0], knobs, random)
    square, mask = _warp(square, matrix), _warp(mask, matrix)
    return change_appearance(square, knobs, random), mask


def change_appearance(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    """Another exposure, sharpness and file, and covered parts; nothing moves."""
    square = _change_greys(square, knobs, random)
    square = _sharpen(square, knobs, random)
    square = _lose_sharpness(square, knobs, random)
    square = _cover(square, knobs, random)
    return _cover_margins(square, knobs, random)


def draw_move(
    side: int, knobs: Augmentation, random: np.random.Generator
) -> NDArray[np.float64] | None:
    """Rotate, scale, squash, shift and flip: the affine (2, 3) matrix, None where nothing moves."""
    angle = np.deg2rad(random.uniform(-1, 1) * knobs.rotation_degrees)
    scale = _log_uniform(random, knobs.scale)
    squash = _log_uniform(random, knobs.aspect) ** 0.5
    flip = -1.0 if random.random() < knobs.flip else 1.0
    shift = random.uniform(-1, 1, 2) * knobs.shift * side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([scale * squash * flip, scale / squash])
    if np.allclose(matrix, np.eye(2)) and not shift.any():
        return None
    centre = np.full(2, (side - 1) / 2)
    return np.column_stack([matrix, centre + shift - matrix @ centre])


def _warp(square: Square, matrix: NDArray[np.float64] | None) -> Square:
    """One resampling; black comes in from outside."""
    if matrix is None:
        return square
    side = square.shape[0]
    return np.asarray(cv2.warpAffine(square, matrix, (side, side), flags=cv2.INTER_LINEAR))


def _change_greys(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    contrast = 1 + random.uniform(-1, 1) * knobs.contrast
    brightness = random.uniform(-1, 1) * knobs.brightness
    exponent = _log_uniform(random, knobs.gamma)
    noisy = random.random() < knobs.noise
    if exponent != 1:  # the identity must be exact
        square = np.asarray(np.power(square, np.float32(exponent)))
    if knobs.tone:
        square = _change_tone(square, knobs.tone, random)
    if contrast != 1 or brightness != 0:
        mean = square.mean()
        square = (square - mean) * np.float32(contrast) + mean + np.float32(brightness)
    if noisy:
        noise = random.standard_normal(square.shape, np.float32)
        square = np.asarray(square + noise * np.float32(random.uniform(0, 0.05)))
    return np.asarray(np.clip(square, 0, 1), np.float32)


def _change_tone(square: Square, strength: float, random: np.random.Generator) -> Square:
    """Another rising tone curve: what a maker's look-up table makes of the same exposure."""
    steps = np.exp(random.uniform(-1, 1, 6) * np.log1p(strength))
    heights = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
    return np.asarray(np.interp(square, np.linspace(0, 1, 7), heights), np.float32)


def _sharpen(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    """Edges or structures raised, as each maker's image processing does (unsharp masking)."""
    if not knobs.sharpen or random.random() >= knobs.sharpen:
        return square
    reach = float(np.exp(random.uniform(np.log(1), np.log(24))))  # of bones' edges to that of lobes
    smooth = cv2.GaussianBlur(square, (0, 0), reach)
    raised = square + np.float32(random.uniform(0.3, 1.5)) * (square - smooth)
    return np.asarray(np.clip(raised, 0, 1), np.float32)


def _lose_sharpness(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    """A blur or a smaller copy enlarged again, and a JPEG round trip."""
    side = square.shape[0]
    if random.random() < knobs.blur:
        if random.random() < 0.5:
            square = np.asarray(cv2.GaussianBlur(square, (0, 0), random.uniform(0.4, 1.6)))
        else:
            small = round(side * random.uniform(0.4, 0.9))
            shrunk = cv2.resize(square, (small, small), interpolation=cv2.INTER_AREA)
            square = np.asarray(cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR))
    if random.random() < knobs.jpeg:
        quality = int(random.integers(30, 91))
        grey = np.rint(np.clip(square, 0, 1) * 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
        grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        square = grey.astype(np.float32) / np.float32(255)
    return square


def _cover(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    """A rectangle of 2 to 12 % of the film, of one grey level: no single patch may decide."""
    if random.random() >= knobs.erase:
        return square
    side = square.shape[0]
    area = random.uniform(0.02, 0.12)
    ratio = random.uniform(0.5, 2.0)
    height, width = (round(side * (area * r) ** 0.5) for r in (ratio, 1 / ratio))
    top, left = random.integers(0, side - height), random.integers(0, side - width)
    square = square.copy()
    square[top : top + height, left : left + width] = random.uniform(0, 1)
    return square


def _cover_margins(square: Square, knobs: Augmentation, random: np.random.Generator) -> Square:
    """Margins of one grey level: neither markers nor collimation nor arms may decide."""
    if random.random() >= knobs.border:
        return square
    side = square.shape[0]
    level = random.uniform(0, 1) if random.random() < 0.5 else 0.0
    top, left, bottom, right = (round(side * part) for part in random.uniform(0, 0.15, 4))
    framed = np.full_like(square, level)
    inside = np.s_[top : side - bottom, left : side - right]
    framed[inside] = square[inside]
    return framed


def _log_uniform(random: np.random.Generator, spread: float) -> float:
    """A factor in [1 / (1 + spread), 1 + spread], as often below 1 as above."""
    return float(np.exp(random.uniform(-1, 1) * np.log1p(spread)))
