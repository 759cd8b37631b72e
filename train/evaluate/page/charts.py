"""Charts as SVG text: they take the page's colours, stay sharp in print and need no library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Limits = tuple[float, float]
WIDTH: Final = 400
MARKERS: Final = ("circle", "square", "triangle")


@dataclass(eq=False, slots=True)
class Panel:
    """Axes at a place of the picture (pixels), over a range of values; draws into ``parts``."""

    left: float
    top: float
    width: float
    height: float
    x: Limits
    y: Limits
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Values to pixels."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def grid(self, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> None:
        """Lines and numbers; the ticks are values."""
        for x in x_ticks:
            (px, low), (_, high) = self.at(x, self.y[0]), self.at(x, self.y[1])
            self._add(f'<path class="grid" d="M{px:.1f} {low:.1f}V{high:.1f}"/>')
            self.text(px, low + 15, f"{x:g}", "tick middle")
        for y in y_ticks:
            (left, py), (right, _) = self.at(self.x[0], y), self.at(self.x[1], y)
            self._add(f'<path class="grid" d="M{left:.1f} {py:.1f}H{right:.1f}"/>')
            self.text(left - 6, py + 4, f"{y:g}", "tick end")

    def names(self, x: str, y: str) -> None:
        """What the axes show."""
        if x:
            self.text(self.left + self.width / 2, self.top + self.height + 34, x, "name middle")
        if y:
            px, py = self.left - 38, self.top + self.height / 2
            self._add(
                f'<text class="name middle" transform="translate({px:.1f} {py:.1f}) rotate(-90)">'
                f"{escape(y)}</text>"
            )

    def ground(self) -> None:
        """The page's own colour behind axes and numbers: for a panel upon a panel."""
        self._add(
            f'<rect class="ground" x="{self.left - 32:g}" y="{self.top - 10:g}" '
            f'width="{self.width + 42:g}" height="{self.height + 32:g}" rx="4"/>'
        )

    def line(self, points: NDArray[np.float64], kind: str = "curve") -> None:
        """(k, 2) values joined by straight lines; what lies outside the panel is cut off."""
        pixels = [self.at(x, y) for x, y in corners(points)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels)
        place = (self.left - 2, self.top - 2, self.width + 4, self.height + 4)
        x, y, width, height = (f"{value:g}" for value in place)
        # A picture within the picture, in the same coordinates: it cuts off what leaves it.
        self._add(
            f'<svg x="{x}" y="{y}" width="{width}" height="{height}" '
            f'viewBox="{x} {y} {width} {height}" aria-hidden="true">'
            f'<path class="{kind}" d="M{path}"/></svg>'
        )

    def marker(self, x: float, y: float, shape: str) -> None:
        """A point, left out where it would lie outside the panel."""
        if self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]:
            self._add(draw_marker(*self.at(x, y), shape))

    def interval(self, x: float, low: float, high: float) -> None:
        (px, bottom), (_, top) = self.at(x, low), self.at(x, high)
        self._add(f'<path class="interval" d="M{px:.1f} {bottom:.1f}V{top:.1f}"/>')

    def bar(self, x0: float, x1: float, y: float) -> None:
        (left, top), (right, bottom) = self.at(x0, y), self.at(x1, self.y[0])
        self._add(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{top:.1f}" '
            f'width="{right - left - 1:.1f}" height="{bottom - top:.1f}"/>'
        )

    def text(self, px: float, py: float, words: str, kind: str) -> None:
        """Words at a pixel."""
        self._add(f'<text class="{kind}" x="{px:.1f}" y="{py:.1f}">{escape(words)}</text>')

    def _add(self, part: str) -> None:
        self.parts.append(part)


def draw_marker(px: float, py: float, shape: str, size: float = 5) -> str:
    """A small filled shape at a pixel."""
    if shape == "square":
        return (
            f'<rect class="marker square" x="{px - size:.1f}" y="{py - size:.1f}" '
            f'width="{2 * size}" height="{2 * size}"/>'
        )
    if shape == "triangle":
        return (
            f'<path class="marker triangle" d="M{px:.1f} {py - size - 1.5:.1f}'
            f'l{size + 1.5} {2 * size + 1}h{-2 * size - 3}z"/>'
        )
    return f'<circle class="marker circle" cx="{px:.1f}" cy="{py:.1f}" r="{size}"/>'


def picture(panels: Sequence[Panel], height: int, title: str) -> str:
    """Panels as one SVG, 400 pixels wide, scaled to where it stands."""
    inside = "".join(part for panel in panels for part in panel.parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{inside}</svg>"
    )


def corners(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop the points of a staircase that lie in the middle of a straight run."""
    if len(points) < 3:
        return points
    before, after = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    keep = np.concatenate([[True], np.abs(turns) > 1e-12, [True]])
    return np.asarray(points[keep])


def interval_strip(rate: dict[str, Any], low: float, high: float, chance: float) -> str:
    """A figure and its interval as a dot on a line, for a table's cell; empty without a figure."""
    if rate["value"] is None:
        return ""

    def px(value: float) -> float:
        return 4 + 112 * (min(max(value, low), high) - low) / (high - low)

    ends = [px(end) for end in rate["ci95"]] if rate["ci95"][0] is not None else [0, 0]
    return (
        '<svg class="strip" viewBox="0 0 120 12" aria-hidden="true">'
        f'<path class="grid" d="M4 6H116M{px(chance):.1f} 1V11M116 1V11"/>'
        f'<path class="interval" d="M{ends[0]:.1f} 6H{ends[1]:.1f}"/>'
        f'<circle class="marker circle" cx="{px(rate["value"]):.1f}" cy="6" r="3.5"/></svg>'
    )
