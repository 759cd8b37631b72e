"""The comparison as one picture: every system's accuracy, four ways."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.evaluate.plots import BLUE, DPI, GREY, VERMILION
from train.research.comparison.line import Line
from train.research.comparison.protocol import TEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAPER = {"marker": "D", "mfc": "white", "mec": GREY, "color": GREY, "label": "the paper's figure"}
_UNDER_PAPER = {"marker": "o", "color": BLUE, "label": "ours, paper's protocol"}
_BY_PATIENT = {"marker": "s", "color": VERMILION, "label": "ours, by patient"}
_TEST = {"marker": "*", "color": "#009E73", "label": "ours, official test"}


def draw(lines: Sequence[Line], out: Path) -> None:
    """Draw ``lines`` from the top down into the PNG file ``out``; what is not known is left out.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.32 * len(lines)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [_title(line) for line in lines])
    for style, values in _series(lines):
        _mark(axes, style, values)
    axes.set_xlabel("accuracy at a probability of 0.5")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    # No metadata: the same figures give the same bytes.
    metadata: dict[str, Any] = {"Software": None}
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, format="png", metadata=metadata)


def _title(line: Line) -> str:
    return f"{line.shown}, 3 classes" if line.classes == 3 else line.shown


def _series(lines: Sequence[Line]) -> list[tuple[dict[str, Any], list[float | None]]]:
    return [
        (_PAPER, [line.paper.entry.recipe.figures.get("accuracy") for line in lines]),
        (_UNDER_PAPER, [line.accuracy(line.paper) for line in lines]),
        (_BY_PATIENT, [line.accuracy(line.patient) for line in lines]),
        (_TEST, [line.accuracy(line.patient, TEST) for line in lines]),
    ]


def _mark(axes: "Axes", style: dict[str, Any], values: Sequence[float | None]) -> None:
    there = [(value, y) for y, value in enumerate(values) if value is not None]
    if there:
        axes.plot(*zip(*there, strict=True), ls="", ms=8, mew=1.4, **style)
