"""An evaluation, or the history of a training run, as files that people and programs read."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DataError
from train.evaluate import plots, radiograph_plots
from train.evaluate.class_report import classification_report, summarise_classes, with_interval
from train.evaluate.evaluation import Evaluation
from train.evaluate.per_class import CLASSES as THREE_CLASSES
from train.evaluate.per_class import Told, find_known
from train.evaluate.summary import summarise

CLASSES = plots.CLASSES
UNKNOWN = "unknown cause"


def write(evaluation: Evaluation, out: Path) -> dict[str, Any]:
    """Write ``metrics.json``, ``predictions.csv``, ``classification_report.txt`` and the plots.

    The plots are ``confusion.png``, ``confusion-normalised.png``, ``roc.png``,
    ``reliability.png`` and ``classes.png``, for three classes also ``confusion-classes.png`` and
    ``confusion-classes-normalised.png``; they come last, so that the figures are there whatever
    becomes of them.

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
    figures = summarise(evaluation)
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(figures, indent=2, allow_nan=False)
        (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
        _write_predictions(evaluation, out / "predictions.csv")
        text = classification_report(evaluation.counts) + "\n" + summary(figures)
        text += summarise_classes(evaluation, figures["classes"])
        (out / "classification_report.txt").write_text(text, encoding="utf-8")
        _plot(evaluation, figures, out)
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {out} ({error.strerror}). Give another folder."
        ) from error
    return figures


def summary(figures: dict[str, Any]) -> str:
    """The figures of ``metrics.json`` as lines of text, each rate with its interval."""
    (tn, fp), (fn, tp) = figures["confusion"]
    point, model, data = figures["operating_point"], figures["model"], figures["data"]
    names = ("accuracy", "sensitivity", "specificity", "precision", "f1", "auc", "brier", "ece")
    lines = [f"{name:<12}{with_interval(figures[name])}" for name in names]
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
    """``file,label,probability``, the label being the true one; every digit of the probability.

    For three classes then ``class`` (empty where it is not known) and the probability of each.
    """
    head, each = ["file", "label", "probability"], evaluation.class_probabilities
    if each is not None:
        head += ["class", *THREE_CLASSES]
    known = find_known(evaluation)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for i, (name, label, probability) in enumerate(
            zip(evaluation.files, evaluation.labels, evaluation.probabilities, strict=True)
        ):
            line = [name, CLASSES[label], repr(float(probability))]
            if each is not None:
                line.append(evaluation.etiologies[i] if known[i] else "")
                line += [repr(float(p)) for p in each[i]]
            writer.writerow(line)


def _plot(evaluation: Evaluation, figures: dict[str, Any], out: Path) -> None:
    c, point = evaluation.counts, evaluation.operating_point
    where = (
        f" on {evaluation.source.folder}, {evaluation.source.split}" if evaluation.source else ""
    )
    title = f"{evaluation.model.id}{where} (n = {c.n})"
    auc, ece, brier = (with_interval(figures[name]) for name in ("auc", "ece", "brier"))
    table = np.array([[c.tn, c.fp], [c.fn, c.tp]], np.int64)
    plots.plot_confusion(table, CLASSES, title, out / "confusion.png", normalised=False)
    plots.plot_confusion(table, CLASSES, title, out / "confusion-normalised.png", normalised=True)
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

    radiograph_plots.plot_class_counts(_count_classes(evaluation), out)
    if (told := Told.of(evaluation)) is not None:
        title = f"{evaluation.model.id}{where} (n = {len(told.truth)})"
        for name, normalised in (("", False), ("-normalised", True)):
            path = out / f"confusion-classes{name}.png"
            plots.plot_confusion(told.confusion, THREE_CLASSES, title, path, normalised=normalised)


def _count_classes(evaluation: Evaluation) -> dict[str, dict[str, int]]:
    """Films of each class, bacterial and viral apart for a model of three classes."""
    names: Sequence[str] = [CLASSES[label] for label in evaluation.labels]
    order: Sequence[str] = CLASSES
    if evaluation.viral is not None and (known := find_known(evaluation)).any():
        order = (*THREE_CLASSES, UNKNOWN)
        names = [e if k else UNKNOWN for e, k in zip(evaluation.etiologies, known, strict=True)]
    found = Counter(names)
    part = evaluation.source.split if evaluation.source else "films"
    return {part: {name: found[name] for name in order if found[name] or name != UNKNOWN}}
