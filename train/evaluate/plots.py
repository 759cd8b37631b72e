"""Plots of an evaluation report, each as PNG and as SVG, by matplotlib.

matplotlib's object interface: no display, no figure that is kept in its global state.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pneumonia.monitoring.wilson import wilson
from train.evaluate.curves import precision_recall_curve, roc_curve, selective_accuracy
from train.evaluate.discrimination import AtPoint
from train.evaluate.predictions import Predictions
from train.evaluate.report import EvaluationReport
from train.evaluate.text import with_interval

# Blue and vermilion of Okabe and Ito's palette: told apart by every kind of colour vision.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6b7280"
CORNER: Final = 0.2  # where a good model's ROC curve happens: the last fifth of either axis
DPI: Final = 150
_KINDS: Final = ("png", "svg")
_METADATA: Final[dict[str, dict[str, Any]]] = {"png": {"Software": None}, "svg": {"Date": None}}
_OTHERS: Final = "s^Dv"  # markers of the operating points that are not in force


def title(predictions: Predictions, n: int | None = None) -> str:
    """The model, the data and the number of radiographs, all unless ``n`` says how many."""
    source = predictions.source
    where = f" on {source.folder}, {source.split}" if source else ""
    return f"{predictions.model.id}{where} (n = {len(predictions.files) if n is None else n})"


def plot_confusion(counts: NDArray[np.int64], names: Sequence[str], title: str, out: Path) -> None:
    """The confusion of k classes: the count, and its share of the true class.

    Parameters
    ----------
    counts
        int64 (k, k): rows are what the radiographs are, columns what they are called.
    """
    k = len(names)
    figure = new_figure(2.6 + 1.3 * k, 2 + 1.3 * k)
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full((k, k), np.nan), where=totals > 0)
    depth = np.nan_to_num(shares)
    axes.imshow(depth, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(k, k):
        share, place = shares[row, column], {"x": column, "ha": "center"}
        below = "no films" if np.isnan(share) else f"{share:.1%} of {totals[row, 0]}"
        colour = "white" if depth[row, column] > 0.5 else "#1f2937"
        axes.text(
            y=row - 0.02,
            s=str(counts[row, column]),
            va="bottom",
            fontsize=18,
            color=colour,
            **place,
        )
        axes.text(y=row + 0.06, s=below, va="top", fontsize=11, color=colour, **place)
    axes.set_xticks(range(k), names)
    axes.set_yticks(range(k), names, rotation=90, va="center")
    axes.set_xlabel("called")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"Confusion, shares of the true class\n{title}", fontsize=10.5)
    save(figure, out)


def plot_roc(report: EvaluationReport, out: Path) -> None:
    """The ROC curve with every operating point, its upper left corner enlarged."""
    predictions = report.predictions
    fpr, tpr, _ = roc_curve(predictions.labels, predictions.probabilities)
    figure = new_figure(5.6, 5.4)
    axes = figure.add_subplot()
    if np.isnan(fpr).any() or np.isnan(tpr).any():
        axes.text(0.5, 0.6, "one class only: no curve", ha="center", color=GREY)
    else:
        name = f"AUROC {with_interval(report.discrimination.auroc)}"
        axes.plot(fpr, tpr, color=BLUE, linewidth=2, label=name)
        _mark_points(axes, report, _roc_point)
        if np.interp(CORNER, fpr, tpr) > 1 - CORNER:
            inset = axes.inset_axes((0.37, 0.45, 0.52, 0.42))
            inset.plot(fpr, tpr, color=BLUE, linewidth=2)
            _mark_points(inset, report, _roc_point)
            inset.set(xlim=(-0.002, CORNER), ylim=(1 - CORNER, 1.002))
            inset.tick_params(labelsize=8)
            inset.grid(color="#e5e7eb", linewidth=0.8)
            axes.indicate_inset_zoom(inset, edgecolor=GREY)
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":", label="chance")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("1 − specificity (normals called pneumonia)")
    axes.set_ylabel("sensitivity (pneumonias called pneumonia)")
    tidy(axes, f"ROC\n{title(predictions)}")
    axes.legend(loc="lower right", framealpha=1, fontsize=9)
    save(figure, out)


def plot_precision_recall(report: EvaluationReport, out: Path) -> None:
    """Precision against sensitivity, with every operating point."""
    predictions = report.predictions
    recall, precision, _ = precision_recall_curve(predictions.labels, predictions.probabilities)
    figure = new_figure(5.6, 5.4)
    axes = figure.add_subplot()
    if np.isnan(recall).any():
        axes.text(0.5, 0.6, "no pneumonia: no curve", ha="center", color=GREY)
    else:
        # A staircase: from one point to the next the precision of the next one holds.
        name = f"AUPRC {with_interval(report.discrimination.auprc)}"
        recall, precision = np.insert(recall, 0, 0), np.insert(precision, 0, precision[0])
        axes.step(recall, precision, color=BLUE, linewidth=2, where="pre", label=name)
        _mark_points(axes, report, _precision_recall_point)
        share = float(predictions.truth.mean())
        axes.axhline(share, color=GREY, linewidth=1, linestyle=":", label="all called pneumonia")
    axes.set(xlim=(-0.01, 1.01), ylim=(None, 1.01))
    axes.set_xlabel("sensitivity")
    axes.set_ylabel("precision")
    tidy(axes, f"Precision and sensitivity\n{title(predictions)}")
    if axes.lines:
        axes.legend(loc="lower left", framealpha=1, fontsize=9)
    save(figure, out)


def plot_reliability(report: EvaluationReport, out: Path) -> None:
    """Observed share of pneumonias against the probability, with Wilson's intervals, and counts."""
    bins = report.calibration.bins
    counts, predicted, observed = (
        np.array([getattr(b, name) for b in bins]) for name in ("n", "predicted", "observed")
    )
    pneumonias = np.rint(observed * counts).astype(int)
    ends = [wilson(int(k), int(n)) for k, n in zip(pneumonias, counts, strict=True)]
    figure = new_figure(5.6, 6.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=":", label="perfectly calibrated")
    above.errorbar(
        predicted, observed, yerr=np.abs(np.transpose(ends) - observed), fmt="o", color=BLUE,
        ecolor="#7fb8d8", capsize=2, markersize=6, label="films of a bin (95 % interval)",
    )  # fmt: skip
    above.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    above.set_ylabel("share that are pneumonia")
    above.legend(loc="upper left", framealpha=1)
    figures = report.calibration
    note = f"ECE {with_interval(figures.ece)}\nBrier score {with_interval(figures.brier)}"
    tidy(above, f"Reliability\n{title(report.predictions)}\n{note}")
    edges, widths = [b.low for b in bins], [b.high - b.low for b in bins]
    bars = below.bar(edges, counts, widths, align="edge", color=BLUE, edgecolor="white")
    below.bar_label(bars, fontsize=7.5, padding=2)
    below.margins(y=0.2)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set_xlabel("calibrated probability of pneumonia")
    below.set_ylabel("films")
    tidy(below)
    save(figure, out)


def plot_coverage(report: EvaluationReport, out: Path) -> None:
    """Accuracy on the radiographs farthest from the threshold, against how many these are."""
    p = report.predictions
    accuracy = selective_accuracy(p.labels, p.probabilities, p.operating_point.threshold)
    coverage = np.arange(1, len(accuracy) + 1) / len(accuracy)
    shown = coverage >= min(0.1, coverage[-1])  # a few radiographs say nothing
    figure = new_figure(5.6, 4.2)
    axes = figure.add_subplot()
    axes.plot(coverage[shown], accuracy[shown], color=BLUE, linewidth=2)
    axes.set(xlim=(0, 1.01))
    axes.set_xlabel("coverage: share of films that are called")
    axes.set_ylabel("accuracy")
    tidy(axes, f"Accuracy against coverage, at {p.operating_point.name}\n{title(p)}")
    save(figure, out)


def plot_perturbations(report: EvaluationReport, out: Path) -> None:
    """AUROC with its interval as the radiographs are, and after each perturbation."""
    if report.perturbations is None:
        raise ValueError("the radiographs were not scored perturbed")
    found = {"as they are": report.discrimination.auroc}
    groups = (report.perturbations.shortcuts, report.perturbations.robustness)
    found |= {name: one.auroc for group in groups for name, one in group.items()}
    values = np.array([(one.value, one.low, one.high) for one in found.values()])
    places = np.arange(len(found))
    figure = new_figure(6.4, 1.2 + 0.28 * len(found))
    axes = figure.add_subplot()
    axes.hlines(places, values[:, 1], values[:, 2], color=BLUE, linewidth=1.5)
    axes.plot(values[:, 0], places, "o", color=VERMILION, markersize=5)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(places, list(found))
    axes.invert_yaxis()
    axes.set(xlim=(min(0.4, np.nanmin(values, initial=0.4)) - 0.02, 1.01))
    axes.set_xlabel("AUROC with its 95 % interval; dotted: chance")
    tidy(axes, f"Perturbed films\n{title(report.predictions)}")
    save(figure, out)


def _roc_point(at: AtPoint) -> tuple[float, float]:
    return 1 - at.confusion.specificity, at.confusion.sensitivity


def _precision_recall_point(at: AtPoint) -> tuple[float, float]:
    return at.confusion.sensitivity, at.confusion.precision


def _mark_points(
    axes: Axes, report: EvaluationReport, place: Callable[[AtPoint], tuple[float, float]]
) -> None:
    """The operating points; a full circle is the one in force."""
    others = iter(_OTHERS * len(report.discrimination.points))
    for name, at in report.discrimination.points.items():
        style: dict[str, Any] = {"marker": "o", "ms": 9, "mec": "white"}
        if name != report.predictions.operating_point.name:
            style = {"marker": next(others), "ms": 7, "mfc": "white"}
        label = f"{name}, threshold {at.threshold:.3f}"
        axes.plot(*place(at), ls="", color=VERMILION, zorder=3, label=label, **style)


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")


def tidy(axes: Axes, title: str = "") -> None:
    """What all charts with a grid have."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, fontsize=10.5)


def save(figure: Figure, out: Path, kinds: Sequence[str] = _KINDS) -> None:
    """Write ``out`` + ``.png`` and ``.svg``; the folder is made where it is missing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # No date, no random names: the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": out.name}):
        for kind in kinds:
            figure.savefig(
                out.with_name(f"{out.name}.{kind}"), format=kind, metadata=_METADATA[kind]
            )
