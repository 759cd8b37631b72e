"""The comparison as one picture: every system's accuracy, four ways."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from train.evaluate.plots import BLUE, DPI, GREY, VERMILION
from train.research.comparison.protocol import TEST
from train.research.comparison.row import Row

_PAPER = {"marker": "D", "mfc": "white", "mec": GREY, "color": GREY, "label": "the paper's figure"}
_UNDER_PAPER = {"marker": "o", "color": BLUE, "label": "ours, paper's protocol"}
_BY_PATIENT = {"marker": "s", "color": VERMILION, "label": "ours, by patient"}
_TEST = {"marker": "*", "color": "#009E73", "label": "ours, official test"}


def draw(rows: Sequence[Row], out: Path) -> None:
    """Draw ``rows`` from the top down into the PNG file ``out``; what is not known is left out."""
    figure = Figure(figsize=(8, 1.6 + 0.32 * len(rows)), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_ylim(len(rows) - 0.5, -0.5)
    series: tuple[tuple[dict[str, Any], list[float | None]], ...] = (
        (_PAPER, [row.entry.recipe.figures.get("accuracy") for row in rows]),
        (_UNDER_PAPER, [row.accuracy(row.paper) for row in rows]),
        (_BY_PATIENT, [row.accuracy(row.patient) for row in rows]),
        (_TEST, [row.accuracy(row.patient, TEST) for row in rows]),
    )
    for style, values in series:
        known = [(value, y) for y, value in enumerate(values) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), ls="", ms=8, mew=1.4, **style)
    titles = [row.entry.shown + ", 3 classes" * row.has_three_classes for row in rows]
    axes.set_yticks(range(len(rows)), titles)
    axes.set_xlabel("accuracy at a probability of 0.5")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    # No metadata: the same figures give the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
