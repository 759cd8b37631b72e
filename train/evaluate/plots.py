"""The pictures of an evaluation and of a training run, as PNG files.

matplotlib's object interface on its Agg canvas: no display, no global state, safe in a thread. It
is imported inside the functions, so that training runs on machines without it; there, the
functions raise ImportError before anything is written.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from train import metrics
from train.evaluate.curves import roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and vermilion of Okabe and Ito's palette: told apart by every kind of colour vision.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6b7280"
POINT: dict[str, Any] = {"marker": "o", "ls": "", "ms": 9, "color": VERMILION, "mec": "white"}
CLASSES = ("normal", "pneumonia")
CORNER = 0.2  # where a good model's ROC curve happens: the last fifth of either axis
DPI = 150


def plot_confusion(
    counts: NDArray[np.int64], names: Sequence[str], title: str, out: Path, *, normalised: bool
) -> None:
    """The table of k classes; normalised: shares of the true class (rows sum to 100 %).

    Parameters
    ----------
    counts
        int64 (k, k): rows are what the films are, columns what they are called.
    """
    k = len(names)
    figure = new_figure(2.6 + 1.3 * k, 2 + 1.3 * k)
    axes = figure.add_subplot()
    table = counts.astype(np.float64)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.full((k, k), np.nan), where=totals > 0)
    depth = np.nan_to_num(shares) if normalised else table / max(table.max(), 1)
    axes.imshow(depth, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(k, k):
        count, share = f"{table[row, column]:.0f}", shares[row, column]
        of_all = f"({count} of {totals[row, 0]:.0f})"
        percent = "no films" if np.isnan(share) else f"{share:.1%}\n{of_all}"
        axes.text(
            column,
            row,
            percent if normalised else count,
            ha="center",
            va="center",
            fontsize=14 if normalised else 18,
            color="white" if depth[row, column] > 0.5 else "#1f2937",
        )
    axes.set_xticks(range(k), names)
    axes.set_yticks(range(k), names, rotation=90, va="center")
    axes.set_xlabel("called")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    how = ", normalised by true class" if normalised else ""
    axes.set_title(f"Confusion{how}\n{title}", fontsize=10.5)
    save(figure, out)


def plot_roc(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    operating_point: tuple[str, metrics.Confusion],
    auc: str,
    title: str,
    out: Path,
) -> None:
    """The ROC curve, its area as the text ``auc``, and the named operating point on it."""
    figure = new_figure(5.6, 5.4)
    axes = figure.add_subplot()
    fpr, tpr, _ = roc_curve(labels, probabilities)
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":", label="chance")
    if np.isnan(fpr).any() or np.isnan(tpr).any():
        axes.text(0.35, 0.75, "one class only: no curve", ha="center", color=GREY)
    else:
        axes.plot(fpr, tpr, color=BLUE, linewidth=2, label=auc)
        name, c = operating_point
        at = (1 - c.specificity, c.sensitivity)
        rates = f"sensitivity {c.sensitivity:.3f}, specificity {c.specificity:.3f}"
        axes.plot(*at, **POINT, label=f"operating point: {name}\n{rates}")
        if np.interp(CORNER, fpr, tpr) > 1 - CORNER:
            _enlarge_corner(axes, fpr, tpr, at)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("1 − specificity (normals called pneumonia)")
    axes.set_ylabel("sensitivity (pneumonias called pneumonia)")
    tidy(axes, f"ROC\n{title}")
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[1:] + handles[:1], names[1:] + names[:1], loc="lower right", framealpha=1)
    save(figure, out)


def _enlarge_corner(
    axes: "Axes",
    fpr: NDArray[np.float64],
    tpr: NDArray[np.float64],
    at: tuple[float, float],
) -> None:
    inset = axes.inset_axes((0.37, 0.4, 0.52, 0.45))
    inset.plot(fpr, tpr, color=BLUE, linewidth=2)
    inset.plot(*at, **POINT)
    inset.set(xlim=(-0.002, CORNER), ylim=(1 - CORNER, 1.002))
    inset.tick_params(labelsize=8)
    inset.grid(color="#e5e7eb", linewidth=0.8)
    axes.indicate_inset_zoom(inset, edgecolor=GREY)


def plot_reliability(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    note: str,
    title: str,
    out: Path,
) -> None:
    """Observed share of pneumonias against the probability, and how many films stand behind it.

    The bars are Wilson's 95 % intervals of the share in each bin; ``note`` (ECE, Brier) stands
    above the picture.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(5.6, 6.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    b = metrics.reliability_bins(labels, probabilities)
    filled = b.counts > 0
    counts, predicted, observed = b.counts[filled], b.predicted[filled], b.observed[filled]
    pneumonias = np.rint(observed * counts).astype(int)
    ends = np.array([metrics.wilson(k, n) for k, n in zip(pneumonias, counts, strict=True)])
    bars = np.abs(ends.reshape(-1, 2).T - observed)
    above.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":", label="perfectly calibrated")
    above.errorbar(
        predicted,
        observed,
        yerr=bars,
        fmt="o",
        color=BLUE,
        ecolor="#7fb8d8",
        capsize=2,
        markersize=6,
        label="films of a bin (95 % interval)",
    )
    above.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    above.set_ylabel("share that are pneumonia")
    above.legend(loc="upper left", framealpha=1)
    tidy(above, f"Reliability\n{title}\n{note}")
    width = np.diff(b.edges)
    places = below.bar(b.edges[:-1], b.counts, width, align="edge", color=BLUE, edgecolor="white")
    below.bar_label(places, [str(n) if n else "" for n in b.counts], fontsize=7.5, padding=2)
    below.margins(y=0.2)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set_xlabel("calibrated probability of pneumonia")
    below.set_ylabel("films")
    tidy(below)
    save(figure, out)


def plot_lines(
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
    from matplotlib.ticker import MaxNLocator

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


def new_figure(width_in: float, height_in: float) -> "Figure":
    """An empty figure on a canvas. Raises ImportError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: "Axes", title: str = "") -> None:
    """What all charts with a grid have."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, fontsize=10.5)


def save(figure: "Figure", out: Path) -> None:
    """As a PNG file."""
    # No metadata: the same figures give the same bytes.
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(out, format="png", metadata=metadata)
