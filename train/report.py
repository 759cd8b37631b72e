"""An evaluation, or the history of a training run, as files that people and programs read."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DataError
from train import plots
from train.evaluation import Evaluation
from train.metrics import Confusion

CLASSES = plots.CLASSES


def write(evaluation: Evaluation, out: Path) -> dict[str, Any]:
    """Write ``metrics.json``, ``predictions.csv``, ``classification_report.txt`` and the plots.

    The plots are ``confusion.png``, ``confusion-normalised.png``, ``roc.png`` and
    ``reliability.png``; they come last, so that the figures are there whatever becomes of them.

    Returns
    -------
    The content of ``metrics.json``.

    Raises
    ------
    ImportError
        Without matplotlib, after the text files have been written.
    DataError
        When the folder cannot be made or written.
    """
    figures = evaluation.metrics()
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(figures, indent=2, allow_nan=False)
        (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
        _write_predictions(evaluation, out / "predictions.csv")
        text = classification_report(evaluation.counts) + "\n" + summary(figures)
        (out / "classification_report.txt").write_text(text, encoding="utf-8")
        _plot(evaluation, figures, out)
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {out} ({error.strerror}). Give another folder."
        ) from error
    return figures


def classification_report(c: Confusion) -> str:
    """Precision, recall, F1 and support per class, accuracy, and the macro and weighted averages.

    The layout is that of scikit-learn's ``classification_report``; what cannot be computed is
    ``n/a`` there where scikit-learn prints 0. A class without films has no part in the averages.
    """
    # Seen from the class normal, the negatives are the positives.
    views = (Confusion(tn=c.tp, fp=c.fn, fn=c.fp, tp=c.tn), c)
    support = np.array([v.tp + v.fn for v in views])
    rates = np.array([(v.precision, v.sensitivity, v.f1) for v in views])
    there = support > 0
    lines = [f"{'':>12}{'precision':>11}{'recall':>10}{'f1-score':>10}{'support':>10}", ""]
    lines += [_line(name, row, n) for name, row, n in zip(CLASSES, rates, support, strict=True)]
    lines += ["", f"{'accuracy':>12}{'':>21}{_number(c.accuracy):>10}{c.n:>10}"]
    for name, weights in (("macro avg", there), ("weighted avg", support)):
        mean = np.average(rates[there], axis=0, weights=weights[there]) if c.n else rates[0]
        lines.append(_line(name, mean, c.n))
    return "\n".join(lines) + "\n"


def summary(figures: dict[str, Any]) -> str:
    """The figures of ``metrics.json`` as lines of text, each rate with its interval."""
    (tn, fp), (fn, tp) = figures["confusion"]
    point, model, data = figures["operating_point"], figures["model"], figures["data"]
    names = ("accuracy", "sensitivity", "specificity", "precision", "f1", "auc", "brier", "ece")
    lines = [f"{name:<12}{_with_interval(figures[name])}" for name in names]
    lines += [
        "",
        f"{'confusion':<12}{'called normal':>14}{'called pneumonia':>18}",
        f"{'normal':<12}{tn:>14}{fp:>18}",
        f"{'pneumonia':<12}{fn:>14}{tp:>18}",
        "",
        f"operating point {point['name']}: pneumonia from {point['threshold']:.4f} on",
        f"model {model['id']} (weights SHA-256 {model['sha256']})",
    ]
    if data:
        lines.append(f"data {data['folder']}, split {data['split']} (SHA-256 {data['digest']})")
    lines.append(
        f"{figures['n']} films of {figures['patients']} patients scored; "
        f"{figures['indeterminate']} in the indeterminate band; "
        f"{len(figures['refused'])} could not be decoded; "
        f"{len(figures['refused_by_gate'])} scored though the app would refuse them"
    )
    lines.append(
        "95 % intervals: Wilson for accuracy, sensitivity, specificity and precision; percentile "
        "bootstrap over patients for the others"
    )
    if figures["command"]:
        lines.append(f"made by: {figures['command']}")
    return "\n".join(lines) + "\n"


def plot_history(history_csv: Path, out: Path) -> None:
    """Draw ``loss.png`` and ``accuracy.png`` (with AUROC) of a run into the folder ``out``.

    Parameters
    ----------
    history_csv
        One line per epoch with the columns epoch, train_loss, train_accuracy, val_loss,
        val_accuracy and val_auroc at least. An empty cell is a gap in the line.

    Raises
    ------
    DataError
        When the file is missing, has no epoch, or lacks a column.
    ImportError
        Without matplotlib.
    """
    column = _read_history(history_csv)
    out.mkdir(parents=True, exist_ok=True)
    plots.plot_lines(
        column("epoch"),
        {"train": column("train_loss"), "validation": column("val_loss")},
        title="Loss",
        ylabel="loss",
        lowest_is_best=True,
        out=out / "loss.png",
    )
    plots.plot_lines(
        column("epoch"),
        {
            "train accuracy": column("train_accuracy"),
            "validation accuracy": column("val_accuracy"),
            "validation AUROC": column("val_auroc"),
        },
        title="Accuracy and AUROC",
        ylabel="accuracy, AUROC",
        lowest_is_best=False,
        out=out / "accuracy.png",
    )


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


def _write_predictions(evaluation: Evaluation, path: Path) -> None:
    """``file,label,probability``, the label being the true one; every digit of the probability."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "label", "probability"))
        for name, label, probability in zip(
            evaluation.files, evaluation.labels, evaluation.probabilities, strict=True
        ):
            writer.writerow((name, CLASSES[label], repr(float(probability))))


def _plot(evaluation: Evaluation, figures: dict[str, Any], out: Path) -> None:
    c, point = evaluation.counts, evaluation.operating_point
    where = (
        f" on {evaluation.source.folder}, {evaluation.source.split}" if evaluation.source else ""
    )
    title = f"{evaluation.model.id}{where} (n = {c.n})"
    auc, ece, brier = (_with_interval(figures[name]) for name in ("auc", "ece", "brier"))
    plots.plot_confusion(c, title, out / "confusion.png", normalised=False)
    plots.plot_confusion(c, title, out / "confusion-normalised.png", normalised=True)
    plots.plot_roc(
        evaluation.labels,
        evaluation.probabilities,
        operating_point=(f"{point.name}, threshold {point.threshold:.3f}", c),
        auc=f"AUROC {auc}",
        title=title,
        out=out / "roc.png",
    )
    plots.plot_reliability(
        evaluation.labels,
        evaluation.probabilities,
        note=f"ECE {ece}\nBrier score {brier}",
        title=title,
        out=out / "reliability.png",
    )


def _line(name: str, rates: NDArray[np.float64], support: int) -> str:
    precision, recall, f1 = (_number(rate) for rate in rates)
    return f"{name:>12}{precision:>11}{recall:>10}{f1:>10}{support:>10}"


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"


def _with_interval(rate: dict[str, Any]) -> str:
    if rate["value"] is None:
        return "n/a"
    low, high = rate["ci95"]
    return f"{rate['value']:.4f} (95 % CI {low:.4f} to {high:.4f})"
