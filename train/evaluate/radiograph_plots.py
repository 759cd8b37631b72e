"""Plots of the data itself: radiographs of each class, and some of them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from train.evaluate.examples import Example
from train.evaluate.plots import BLUE, GREY, VERMILION, new_figure, save, tidy

_GREEN: Final = "#009E73"
_ORANGE: Final = "#E69F00"
_LIGHT_BLUE: Final = "#56B4E9"
#: The same colour for a class in every picture.
_COLOURS: Final = {
    "normal": BLUE,
    "pneumonia": VERMILION,
    "bacterial": _ORANGE,
    "viral": _GREEN,
    "unknown cause": GREY,
}
#: Darker than the palette's, for small letters on white.
_RIGHT: Final = "#007757"
_WRONG: Final = "#B34A00"
_COLUMNS: Final = 4


def plot_class_counts(counts: Mapping[str, Mapping[str, int]], out: Path) -> None:
    """Radiographs of each class in each part of the data, as bars.

    Parameters
    ----------
    counts
        Part (``"training"``, ``"validation"``) to class to number of films, in the order shown.
    out
        See :func:`train.evaluate.plots.save`.

    Raises
    ------
    ValueError
        Without a part.
    """
    if not counts:
        raise ValueError("there is no part of the data to count the films of")
    names = list(dict.fromkeys(chain.from_iterable(counts.values())))
    figure = new_figure(max(4.8, 1.6 * len(names), 1.2 + 0.75 * len(names) * len(counts)), 4.6)
    axes = figure.add_subplot()
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        heights = [part.get(name, 0) for part in counts.values()]
        places = np.arange(len(counts)) + (i - (len(names) - 1) / 2) * width
        colour = _COLOURS.get(name, _LIGHT_BLUE)
        bars = axes.bar(places, heights, width * 0.92, color=colour, label=name)
        axes.bar_label(bars, [f"{height:,}" for height in heights], fontsize=9, padding=2)
    axes.set_xticks(
        range(len(counts)),
        [f"{part}\n{sum(radiographs.values()):,} films" for part, radiographs in counts.items()],
    )
    axes.set_ylabel("films")
    axes.margins(y=0.12)
    tidy(axes, "Films of each class")
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=len(names), frameon=False)
    save(figure, out)


def plot_examples(examples: Sequence[Example], out: Path) -> None:
    """Radiographs, four in a row, with what they are and were called, as ``out`` + ``.png``.

    Each is shown from its darkest to its brightest level.

    Raises
    ------
    ValueError
        Without an example.
    """
    if not examples:
        raise ValueError("there is no radiograph to show")
    rows = ceil(len(examples) / _COLUMNS)
    figure = new_figure(2.1 * _COLUMNS, 2.5 * rows + 0.4)
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, example in zip(grid, examples, strict=False):
        _show(axes, example)
    right = sum(example.truth == example.called for example in examples)
    figure.suptitle(
        f"{len(examples)} films, {right} called rightly. They were picked to show both kinds: "
        "their share is not the accuracy.",
        fontsize=9.5,
    )
    save(figure, out, kinds=("png",))


def _show(axes: Axes, example: Example) -> None:
    axes.imshow(example.picture, cmap="gray", aspect="equal", interpolation="antialiased")
    is_right = example.truth == example.called
    # A word as well as a colour: not everybody tells the colours apart.
    verdict = "right" if is_right else "wrong"
    axes.set_title(
        f"{example.truth}\n{verdict}: called {example.called} {example.confidence:.2f}",
        fontsize=8.5,
        color=_RIGHT if is_right else _WRONG,
    )
