"""Files of an evaluation report: JSON, CSV, text, plots and the page."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pneumonia.analysis.finding import THREE_CLASSES, TWO_CLASSES
from pneumonia.errors import DataError
from train.evaluate import page, plots, radiograph_plots, text
from train.evaluate.classes import find_known
from train.evaluate.examples import Example
from train.evaluate.exhibits import Exhibit
from train.evaluate.predictions import Predictions
from train.evaluate.report import EvaluationReport

UNKNOWN = "unknown cause"


def write_figures(report: EvaluationReport, examples: Sequence[Example], out: Path) -> None:
    """Write ``metrics.json``, ``predictions.csv``, ``classification_report.txt`` and the plots.

    Every plot is there as PNG and as SVG; ``examples.png`` shows radiographs.

    Raises
    ------
    DataError
        When the folder cannot be made or written.
    """
    predictions, at = report.predictions, report.at
    with _into(out):
        _write_json(report.metrics(), out / "metrics.json")
        _write_predictions(predictions, out / "predictions.csv")
        (out / "classification_report.txt").write_text(text.whole(report), encoding="utf-8")
        title = plots.title(predictions)
        counts = np.array([[at.confusion.tn, at.confusion.fp], [at.confusion.fn, at.confusion.tp]])
        plots.plot_confusion(counts, TWO_CLASSES, title, out / "confusion")
        if (three := report.classes) is not None:
            title = plots.title(predictions, three.n)
            table = np.array(three.confusion)
            plots.plot_confusion(table, THREE_CLASSES, title, out / "confusion-classes")
        plots.plot_roc(report, out / "roc")
        plots.plot_precision_recall(report, out / "precision-recall")
        plots.plot_reliability(report, out / "reliability")
        plots.plot_coverage(report, out / "coverage")
        radiograph_plots.plot_class_counts(_count_classes(predictions), out / "classes")
        radiograph_plots.plot_examples(examples, out / "examples")


def write_evidence(report: EvaluationReport, exhibits: Sequence[Exhibit], out: Path) -> None:
    """Write ``evidence.json`` and ``evidence.html``, which takes the plots that stand in ``out``.

    Raises
    ------
    DataError
        When the folder cannot be written.
    """
    with _into(out):
        if report.perturbations is not None:
            plots.plot_perturbations(report, out / "perturbations")
        _write_json(report.evidence(), out / "evidence.json")
        charts = {path.stem: path.read_bytes() for path in out.glob("*.svg")}
        html = page.render(report, exhibits, charts)
        (out / "evidence.html").write_text(html, encoding="utf-8")


@contextmanager
def _into(out: Path) -> Iterator[None]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {out} ({error.strerror}). Give another folder."
        ) from error


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _write_predictions(predictions: Predictions, path: Path) -> None:
    """One line a film, the label being the true one; every digit of probability and raw logit.

    For three classes then ``class`` (empty where it is not known) and the probability of each.
    """
    head = ["file", "label", "probability", "logit", "patient", "source", "population"]
    each = predictions.class_probabilities
    origins = zip(predictions.sources, predictions.populations, strict=True)
    origin_of = list(origins) or [("", "")] * len(predictions.files)
    if each is not None:
        head += ["class", *THREE_CLASSES]
    known = find_known(predictions)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for i, (name, label, probability) in enumerate(
            zip(predictions.files, predictions.labels, predictions.probabilities, strict=True)
        ):
            line = [name, TWO_CLASSES[label], repr(float(probability))]
            line += [repr(float(predictions.logits[i])), predictions.patients[i], *origin_of[i]]
            if each is not None:
                line.append(predictions.etiologies[i] if known[i] else "")
                line += [repr(float(p)) for p in each[i]]
            writer.writerow(line)


def _count_classes(predictions: Predictions) -> dict[str, dict[str, int]]:
    """Films of each class, bacterial and viral apart for a model of three classes."""
    names: Sequence[str] = [TWO_CLASSES[label] for label in predictions.labels]
    order: Sequence[str] = TWO_CLASSES
    if predictions.viral is not None and (known := find_known(predictions)).any():
        order = (*THREE_CLASSES, UNKNOWN)
        names = [e if k else UNKNOWN for e, k in zip(predictions.etiologies, known, strict=True)]
    found = Counter(names)
    part = predictions.source.split if predictions.source else "films"
    return {part: {name: found[name] for name in order if found[name] or name != UNKNOWN}}
