"""Chest films drawn from a seed, for tests, samples and screenshots. Nobody was X-rayed for them.

A film is drawn as X-rays make it: every structure adds to (or takes from) the attenuation along
the ray, and one tone curve turns attenuation into grey. Body coordinates: the origin is the
middle of the chest, x runs to the image's right (the patient's left), y runs down, and the thorax
reaches from about -0.8 to 0.8.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_WORKING_SIDE: Final = 768  # pixels: anatomy is soft, so it is drawn small and enlarged
_TEXT: Final = "SYNTHETIC"
_UNSHARP: Final = 0.032  # of the shorter side: the width beyond which contrast is held back

# Half-widths along y: the body with neck and shoulders, the lung's outer and inner edge.
_BODY: Final = (
    (-1.10, 0.25), (-0.92, 0.29), (-0.82, 0.52), (-0.70, 1.10), (-0.45, 1.30),
    (-0.22, 1.02), (0.00, 0.89), (0.40, 0.85), (0.80, 0.86), (1.20, 0.90),
)  # fmt: skip
_LUNG_OUTER: Final = (
    (-0.76, 0.16), (-0.70, 0.30), (-0.60, 0.42), (-0.40, 0.54), (-0.10, 0.64),
    (0.20, 0.71), (0.50, 0.74), (0.80, 0.74),
)  # fmt: skip
_LUNG_INNER: Final = (
    (-0.76, 0.15), (-0.60, 0.12), (-0.30, 0.13), (0.00, 0.12), (0.30, 0.15), (0.80, 0.18),
)  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class _Frame:
    """Where body coordinates lie on the working grid."""

    x: Floats
    y: Floats
    to_pixels: NDArray[np.float64]  # (2, 3) affine
    unit: float  # pixels per body unit

    def draw(self, path: NDArray[np.float64], width: float, level: float, canvas: Floats) -> None:
        """Draw a path of body points (n, 2) as a line of the given width, in body units."""
        points = path @ self.to_pixels[:, :2].T + self.to_pixels[:, 2]
        shift = 4  # sub-pixel bits, so that thin vessels do not become stairs
        fixed = np.rint(points * 2**shift).astype(np.int32)[:, None]
        thickness = max(1, round(width * self.unit))
        cv2.polylines(canvas, [fixed], False, level, thickness, cv2.LINE_AA, shift)

    def blur(self, canvas: Floats, sigma: float) -> Floats:
        """Gaussian blur with a sigma in body units."""
        return np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma * self.unit), np.float32)


def synthetic_radiograph(
    seed: int, *, opacity: bool, size: tuple[int, int] = (1024, 1024)
) -> NDArray[np.uint8]:
    """Draw a frontal chest film, with "SYNTHETIC" burnt in.

    Parameters
    ----------
    seed
        The same seed and size give the same patient, bit for bit, with and without the opacity.
    opacity
        Whether one lung holds a soft consolidation.
    size
        (height, width) in pixels, each at least 64.

    Returns
    -------
    uint8 (height, width); air dark, bone bright.
    """
    height, width = size
    if min(size) < 64:
        raise ValueError(f"a film has at least 64 x 64 pixels, not {height} x {width}")
    anatomy, disease, grain = np.random.default_rng(seed).spawn(3)
    frame = _place(anatomy, height, width)
    attenuation = _draw_patient(frame, anatomy, disease if opacity else None)
    # One exposure for all films of a seed: the curve must not know of the opacity.
    shown = 1 - np.exp(-anatomy.uniform(1.25, 1.5) * np.clip(attenuation, 0.012, None))
    radiograph = cv2.resize(shown, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = cv2.GaussianBlur(grain.normal(0, 1, size).astype(np.float32), (0, 0), 0.8)
    radiograph += noise * (0.008 + 0.02 * radiograph)  # fewer photons behind denser parts
    # Unsharp masking, as digital radiography does before anyone sees the film.
    radiograph += radiograph - cv2.GaussianBlur(radiograph, (0, 0), _UNSHARP * min(size))
    levels = np.clip(radiograph * 255, 0, 255).astype(np.uint8)
    return _label(levels)


def synthetic_squares(n: int, side: int = 224) -> list[NDArray[np.float32]]:
    """Films of n patients, every other one with an opacity: float32 (side, side) in [0, 1]."""
    return [
        synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(side, side)).astype(np.float32)
        / np.float32(255)
        for seed in range(n)
    ]


def _place(rng: np.random.Generator, height: int, width: int) -> _Frame:
    """Scale, tilt and shift of the patient on the plate."""
    shrink = min(1.0, _WORKING_SIDE / max(height, width))
    rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
    unit = 0.5 * min(rows, columns) * rng.uniform(1.06, 1.16)
    angle = np.deg2rad(rng.normal(0, 1.5))
    turn = unit * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([columns, rows]) * (0.5 + rng.uniform(-0.02, 0.02, 2))
    grid = np.indices((rows, columns), dtype=np.float64)[::-1].reshape(2, -1)
    x, y = (np.linalg.inv(turn) @ (grid - centre[:, None])).reshape(2, rows, columns)
    affine = np.hstack([turn, centre[:, None]])
    return _Frame(x.astype(np.float32), y.astype(np.float32), affine, unit)


def _draw_patient(
    frame: _Frame, rng: np.random.Generator, disease: np.random.Generator | None
) -> Floats:
    body = _body(frame)
    lungs = _lungs(frame, rng)
    # A lung is thin at its edge and deep in its middle: half sharp edge, half long slope.
    centre = _mediastinum(frame, rng)
    air = lungs * (0.45 + 0.55 * frame.blur(lungs, 0.09)) * (1 - np.clip(1.5 * centre, 0, 0.8))
    total = body * (1.0 - 0.80 * air) + 0.8 * centre * body
    total += 0.16 * _vessels(frame, rng) * air
    total += _ribs(frame, rng) + _shoulders(frame, rng) + _spine(frame)
    total -= 0.15 * _stomach_bubble(frame, rng) * body
    if disease is not None:
        total += _consolidation(frame, disease) * np.sqrt(air)
    return np.asarray(total * (1 + 0.05 * _mottle(frame, rng, 0.12)), np.float32)


def _profile(y: Floats, points: tuple[tuple[float, float], ...]) -> Floats:
    """A smooth half-width along y through the given points."""
    at, half_width = np.array(points).T
    fine = np.linspace(-1.6, 1.6, 641)
    curve = np.interp(fine, at, half_width)
    smooth = cv2.GaussianBlur(curve[None], (0, 0), 9, borderType=cv2.BORDER_REPLICATE)[0]
    return np.asarray(np.interp(y, fine, smooth), np.float32)


def _step(distance: NDArray[np.floating[Any]], softness: float) -> Floats:
    """0 to 1 across an edge; positive distances are inside."""
    return np.asarray(1 / (1 + np.exp(np.clip(-distance / softness, -30, 30))), np.float32)


def _blob(frame: _Frame, x: float, y: float, rx: float, ry: float, tilt: float = 0) -> Floats:
    """A soft ellipse: 1 in the middle, 0.5 at the radii, tilt in radians."""
    u, v = frame.x - x, frame.y - y
    c, s = np.cos(tilt), np.sin(tilt)
    radius = np.hypot((c * u + s * v) / rx, (c * v - s * u) / ry)
    return _step(1 - radius, 0.06)


def _body(frame: _Frame) -> Floats:
    """Soft tissue: deeper in the middle than at the skin, deeper in the belly than in the neck."""
    across = np.abs(frame.x) / _profile(frame.y, _BODY)
    depth = np.sqrt(np.clip(1 - across**2, 0, 1))
    belly = _step(frame.y - 0.45, 0.12)
    inside = _step(1 - across, 0.012)
    return np.asarray(inside * (0.20 + 0.52 * depth + 0.42 * belly), np.float32)


def _lungs(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Both lung fields as one soft mask, above the domes of the diaphragm."""
    base = rng.uniform(0.40, 0.46)
    outer, inner = _profile(frame.y, _LUNG_OUTER), _profile(frame.y, _LUNG_INNER)
    across = np.abs(frame.x)
    # The patient's right dome (left in the image) stands higher: the liver is below it.
    dome_top = base + np.where(frame.x < 0, -0.03, 0.02)
    dome = dome_top + 0.21 * np.abs((across - 0.34) / 0.36) ** 2.6
    apex = _step(frame.y + 0.74 + 0.25 * (across - 0.22) ** 2, 0.02)
    return (
        _step(outer - across, 0.010)
        * _step(across - inner, 0.016)
        * apex
        * _step(dome - frame.y, 0.010)
    )


def _mediastinum(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Heart, great vessels and hila, with the windpipe in front of the spine."""
    size = rng.uniform(0.92, 1.06)
    heart = _blob(frame, 0.14, 0.22, 0.37 * size, 0.28 * size, 0.62)
    atrium = _blob(frame, -0.06, 0.22, 0.17 * size, 0.24 * size)
    knob = _blob(frame, 0.11, -0.28, 0.10, 0.11)
    column = _step(0.135 - np.abs(frame.x - 0.01), 0.012)
    column *= _step(0.6 - frame.y, 0.05) * _step(frame.y + 0.66, 0.08)
    shadow = 0.50 * np.maximum(np.maximum(heart, atrium), 0.62 * np.maximum(knob, column))
    hila = _blob(frame, -0.17, -0.02, 0.09, 0.14, 0.3) + _blob(frame, 0.19, -0.06, 0.08, 0.12, -0.3)
    windpipe = _step(0.034 - np.abs(frame.x + 0.01), 0.008) * _step(-0.16 - frame.y, 0.02)
    softened = frame.blur(np.asarray(shadow + 0.14 * hila, np.float32), 0.008)
    return np.asarray(softened - 0.20 * windpipe, np.float32)


def _spine(frame: _Frame) -> Floats:
    """Vertebral bodies with the discs between them; pedicles as a pair of small rings."""
    column = _step(0.078 - np.abs(frame.x), 0.006)
    phase = np.cos(2 * np.pi * frame.y / 0.115)
    bodies = 0.55 + 0.45 * _step(phase + 0.55, 0.15)
    pedicles = np.exp(-(((np.abs(frame.x) - 0.05) / 0.014) ** 2)) * np.clip(phase, 0, 1) ** 4
    return np.asarray(0.26 * column * bodies + 0.10 * pedicles, np.float32)


def _ribs(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Ten pairs: the back part from the spine outwards, the front part down and inwards again."""
    back, front = np.zeros_like(frame.x), np.zeros_like(frame.x)
    t = np.linspace(0, 1, 48)
    top, spacing = rng.uniform(-0.70, -0.66), rng.uniform(0.112, 0.120)
    for pair in range(10):
        start = top + pair * spacing
        drop = 0.11 + 0.021 * pair
        reach = float(np.interp(start + drop, *np.array(_LUNG_OUTER).T)) + 0.03
        x = 0.06 + (reach - 0.06) * np.sin(t * np.pi / 2)
        y = start - 0.035 * np.sin(np.pi * t) + drop * t**2.4
        inwards = reach - (reach - 0.24) * (1 - np.cos(t * 0.42 * np.pi))
        downwards = start + drop + (0.14 + 0.012 * pair) * np.sin(t * 0.45 * np.pi)
        for side in (-1, 1):
            wobble = rng.normal(0, 0.005)
            _draw_bone(frame, np.stack([side * x, y + wobble], 1), 0.036, back)
            if pair < 7:
                _draw_bone(frame, np.stack([side * inwards, downwards + wobble], 1), 0.042, front)
    fade = _step(np.abs(frame.x) - 0.36, 0.045)  # towards the breastbone ribs are cartilage
    return np.asarray(
        0.17 * frame.blur(back, 0.004) + 0.12 * frame.blur(front, 0.006) * fade, np.float32
    )


def _draw_bone(frame: _Frame, path: NDArray[np.float64], width: float, canvas: Floats) -> None:
    """A tube: the cortex at its edges is denser than the marrow inside."""
    frame.draw(path, width, 1.0, canvas)
    frame.draw(path, 0.60 * width, 0.62, canvas)


def _shoulders(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Collar bones, shoulder blades, and the heads of the upper arms at the corners."""
    collar = np.zeros_like(frame.x)
    blades = np.zeros_like(frame.x)
    t = np.linspace(0, 1, 40)
    lift = rng.uniform(0.02, 0.07)
    for side in (-1, 1):
        x = 0.07 + 0.72 * t
        y = -0.50 - lift * 2 * t - 0.035 * np.sin(2 * np.pi * t) + rng.normal(0, 0.008)
        _draw_bone(frame, np.stack([side * x, y], 1), 0.050, collar)
        edge = np.array([[0.72, -0.58], [0.78, -0.34], [0.82, -0.12]]) * [side, 1]
        frame.draw(edge, 0.030, 1.0, blades)
        frame.draw(np.add(edge, [side * 0.05, 0.0]), 0.10, 0.5, blades)
    heads = _blob(frame, -0.99, -0.50, 0.12, 0.13) + _blob(frame, 0.99, -0.50, 0.12, 0.13)
    bones = 0.26 * frame.blur(collar, 0.006) + 0.12 * frame.blur(blades, 0.012) + 0.3 * heads
    return np.asarray(bones, np.float32)


def _vessels(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Lung markings: vessels that fan out from the hila and thin out towards the edge."""
    canvas = np.zeros_like(frame.x)
    for side in (-1, 1):
        for angle in np.linspace(-1.35, 1.35, 15):
            _draw_vessel(frame, rng, canvas, side, float(angle + rng.normal(0, 0.08)))
    return frame.blur(canvas, 0.006)


def _draw_vessel(
    frame: _Frame, rng: np.random.Generator, canvas: Floats, side: int, angle: float
) -> None:
    """One vessel with its branches, as a walk of shrinking width."""
    branches = [(np.array([0.17, -0.02]), angle, 0.019)]
    while branches:
        at, heading, width = branches.pop()
        while width > 0.004:
            heading += rng.normal(0, 0.14)
            there = at + 0.045 * np.array([np.cos(heading), np.sin(heading)])
            level = min(1.0, width / 0.015)
            frame.draw(np.stack([at, there]) * [side, 1], width, level, canvas)
            if width > 0.007 and rng.random() < 0.28:
                branches.append((there, heading + rng.choice([-0.6, 0.6]), 0.6 * width))
            at, width = there, 0.88 * width


def _stomach_bubble(frame: _Frame, rng: np.random.Generator) -> Floats:
    """Air in the stomach, under the patient's left dome."""
    return _blob(frame, rng.uniform(0.30, 0.42), rng.uniform(0.62, 0.68), 0.11, 0.055, 0.1)


def _consolidation(frame: _Frame, rng: np.random.Generator) -> Floats:
    """A patchy soft opacity in the middle or lower part of one lung."""
    side = 1 if rng.random() < 0.5 else -1
    x, y = side * rng.uniform(0.42, 0.50), rng.uniform(-0.02, 0.26)
    patch = np.zeros_like(frame.x)
    for _ in range(6):
        dx, dy = rng.normal(0, 0.055, 2)
        rx, ry = rng.uniform(0.08, 0.17, 2)
        patch = np.maximum(patch, _blob(frame, x + dx, y + dy, rx, ry, rng.uniform(0, 3)))
    texture = 1 + 0.10 * _mottle(frame, rng, 0.03) + 0.05 * _mottle(frame, rng, 0.010)
    strength = rng.uniform(0.45, 0.55)
    return np.asarray(strength * frame.blur(patch, 0.045) * texture, np.float32)


def _mottle(frame: _Frame, rng: np.random.Generator, sigma: float) -> Floats:
    """Smooth noise of unit deviation with the given grain, in body units."""
    noise = frame.blur(rng.normal(0, 1, frame.x.shape).astype(np.float32), sigma)
    return np.asarray(noise / max(float(noise.std()), 1e-6), np.float32)


def _label(radiograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Burn the word in at the lower left, so that no copy passes for a patient's film."""
    height, width = radiograph.shape
    scale = max(0.35, min(height, width) / 900)  # legible on the smallest film
    at = (round(0.025 * width), round(0.975 * height))
    cv2.putText(
        radiograph,
        _TEXT,
        at,
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        255,
        max(1, round(2 * scale)),
        cv2.LINE_AA,
    )
    return radiograph
