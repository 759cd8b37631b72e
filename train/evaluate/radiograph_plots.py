"""The pictures of a report that show the films themselves: how many of what, and some of them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from train.evaluate.plots import BLUE, GREY, VERMILION, new_figure, save, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    """Draw ``classes.png`` into ``out``: films of each class in each part of the data, as bars.

    Parameters
    ----------
    counts
        Part (``"training"``, ``"validation"``) to class to number of films, in the order shown.
    out
        A folder; made where it is missing.

    Raises
    ------
    ValueError
        Without a part.
    ImportError
        Without matplotlib.
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
    save(figure, _in(out, "classes.png"))


def plot_examples(
    squares: Sequence[NDArray[np.generic]],
    truths: Sequence[str],
    predictions: Sequence[str],
    out: Path,
    *,
    confidences: Sequence[float] | None = None,
) -> None:
    """Draw ``examples.png`` into ``out``: films, four in a row, what they are and were called.

    Parameters
    ----------
    squares
        n grey pictures (h, w), bright is high, of any size, type and range; each is shown from
        its darkest to its brightest level.
    truths, predictions
        n classes; a film is right where the two are the same.
    out
        A folder; made where it is missing.
    confidences
        n probabilities of the class that was called, in [0, 1].

    Raises
    ------
    ValueError
        Without a film, or with unlike numbers of them.
    ImportError
        Without matplotlib.
    """
    if not squares or not len(squares) == len(truths) == len(predictions):
        raise ValueError(
            f"{len(squares)} pictures, {len(truths)} truths and {len(predictions)} predictions"
        )
    rows = ceil(len(squares) / _COLUMNS)
    figure = new_figure(2.1 * _COLUMNS, 2.5 * rows + 0.4)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for i, axes in enumerate(grid):
        axes.set_axis_off()
        if i < len(squares):
            share = f" {confidences[i]:.2f}" if confidences is not None else ""
            _show(axes, squares[i], truths[i], predictions[i], share)
    right = sum(t == p for t, p in zip(truths, predictions, strict=True))
    figure.suptitle(
        f"{len(squares)} films, {right} called rightly. They were picked to show both kinds: "
        "their share is not the accuracy.",
        fontsize=9.5,
    )
    save(figure, _in(out, "examples.png"))


def _in(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _show(axes: "Axes", square: NDArray[np.generic], truth: str, called: str, share: str) -> None:
    axes.imshow(square, cmap="gray", aspect="equal", interpolation="antialiased")
    is_right = truth == called
    # A word as well as a colour: not everybody tells the colours apart.
    verdict = "right" if is_right else "wrong"
    axes.set_title(
        f"{truth}\n{verdict}: called {called}{share}",
        fontsize=8.5,
        color=_RIGHT if is_right else _WRONG,
    )
