"""Plots of a training run: loss, accuracy and AUROC over the epochs."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pneumonia.errors import DataError
from train.evaluate.plots import BLUE, GREY, VERMILION, new_figure, save, tidy


def plot_history(history_csv: Path, out: Path) -> None:
    """Draw ``loss`` and ``accuracy`` (with AUROC) of a run into the folder ``out``, PNG and SVG.

    Parameters
    ----------
    history_csv
        One line per epoch with the columns epoch, train_loss, train_accuracy, val_loss,
        val_accuracy and val_auroc at least. An empty cell is a gap in the line.

    Raises
    ------
    DataError
        When the file is missing, has no epoch, or lacks a column.
    """
    column = _read_history(history_csv)
    _plot_lines(
        column("epoch"),
        {"train": column("train_loss"), "validation": column("val_loss")},
        title="Loss",
        ylabel="loss",
        lowest_is_best=True,
        out=out / "loss",
    )
    _plot_lines(
        column("epoch"),
        {
            "train accuracy": column("train_accuracy"),
            "validation accuracy": column("val_accuracy"),
            "validation AUROC": column("val_auroc"),
        },
        title="Accuracy and AUROC",
        ylabel="accuracy, AUROC",
        lowest_is_best=False,
        out=out / "accuracy",
    )


def _plot_lines(
    epochs: NDArray[np.float64],
    lines: dict[str, NDArray[np.float64]],
    *,
    title: str,
    ylabel: str,
    lowest_is_best: bool,
    out: Path,
) -> None:
    """One line per name over the epochs; the best of each validation line is ringed and named.

    A name that begins with "train" is drawn in grey, the others in colour; nan is a gap.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    colours = iter((BLUE, VERMILION, "#009E73"))
    few = len(epochs) <= 40
    for name, values in lines.items():
        training = name.startswith("train")
        colour = GREY if training else next(colours)
        label = name
        if not training and np.isfinite(values).any():
            best = int(np.nanargmin(values) if lowest_is_best else np.nanargmax(values))
            axes.plot(epochs[best], values[best], "o", ms=11, mfc="none", mec=colour, mew=1.5)
            label = f"{name} (best {values[best]:.4f}, epoch {epochs[best]:.0f})"
        axes.plot(
            epochs,
            values,
            color=colour,
            linewidth=1.8,
            linestyle="--" if training else "-",
            marker="o" if few else "",
            markersize=4,
            label=label,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    tidy(axes, title)
    axes.legend(frameon=False)
    save(figure, out)


def _read_history(path: Path) -> Callable[[str], NDArray[np.float64]]:
    """A function from a column's name to its values, float64 (epochs,)."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"The history {path} cannot be read ({error.strerror}).") from error
    if not lines:
        raise DataError(f"The history {path} has no epoch yet; train at least one.")

    def column(name: str) -> NDArray[np.float64]:
        if name not in lines[0]:
            raise DataError(
                f"The history {path} has no column {name}; it has {', '.join(lines[0])}."
            )
        return np.array([float(line[name] or math.nan) for line in lines])

    return column
