"""Text of an evaluation report: a classification report, and each figure with its interval."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import TWO_CLASSES
from train.estimates import Estimate
from train.evaluate.classes import ClassPredictions
from train.evaluate.report import EvaluationReport
from train.metrics import Confusion

_UNCALIBRATED = """\
Bacterial and viral could not be calibrated apart: of a pneumonia they share what the network's own
softmax gives them. The app shows neither.

"""


#: Of a source or population, the figure under each head.
_GROUP_COLUMNS: Final = {
    " AUROC": "auroc",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "   ECE": "ece",
    "answered": "answered",
    "missed": "missed",
    "false alarms": "false_alarms",
}


def whole(report: EvaluationReport) -> str:
    """The content of ``classification_report.txt``."""
    head = classification_report(report.at.confusion)
    return f"{head}\n{summary(report)}{_three_classes(report)}"


def _groups(report: EvaluationReport) -> list[str]:
    """A line for each population and each source, the worst first."""
    lines = []
    for what, groups in (("population", report.populations), ("source", report.sources)):
        if groups:
            width = max(len(name) for name in ("by " + what, *groups)) + 2
            heads = "".join(f"{head:>{len(head) + 2}}" for head in _GROUP_COLUMNS)
            lines += ["", f"{'by ' + what:<{width}}{'normal':>6}{'pneumonia':>11}{heads}"]
        for name, one in groups.items():
            cells = "".join(
                f"{_number(getattr(one, field).value):>{len(head) + 2}}"
                for head, field in _GROUP_COLUMNS.items()
            )
            lines.append(f"{name:<{width}}{one.normal:>6}{one.pneumonia:>11}{cells}")
    return lines


def classification_report(c: Confusion) -> str:
    """Precision, recall, F1 and support per class, accuracy, and the macro and weighted averages.

    The layout is that of scikit-learn's ``classification_report``; what cannot be computed is
    ``n/a`` there where scikit-learn prints 0. A class without films has no part in the averages.
    """
    # Seen from the class normal, the negatives are the positives.
    views = (Confusion(tn=c.tp, fp=c.fn, fn=c.fp, tp=c.tn), c)
    return _report_classes(TWO_CLASSES, views)


def _report_classes(names: Sequence[str], views: Sequence[Confusion]) -> str:
    """Of each class the films with it as the positive, the others as the negative."""
    n = views[0].n
    right = sum(view.tp for view in views)
    support = np.array([v.tp + v.fn for v in views])
    rates = np.array([(v.precision, v.sensitivity, v.f1) for v in views])
    there = support > 0
    lines = [f"{'':>12}{'precision':>11}{'recall':>10}{'f1-score':>10}{'support':>10}", ""]
    lines += [_line(name, row, n) for name, row, n in zip(names, rates, support, strict=True)]
    accuracy = right / n if n else math.nan
    lines += ["", f"{'accuracy':>12}{'':>21}{_number(accuracy):>10}{n:>10}"]
    for name, weights in (("macro avg", there), ("weighted avg", support)):
        mean = np.average(rates[there], axis=0, weights=weights[there]) if n else rates[0]
        lines.append(_line(name, mean, n))
    return "\n".join(lines) + "\n"


def summary(report: EvaluationReport) -> str:
    """The figures of ``metrics.json`` as lines of text, each rate with its interval."""
    p, at = report.predictions, report.at
    figures = {
        "accuracy": at.rates.accuracy,
        "sensitivity": at.rates.sensitivity,
        "specificity": at.rates.specificity,
        "precision": at.rates.precision,
        "f1": at.rates.f1,
        "auc": report.discrimination.auroc,
        "brier": report.calibration.brier,
        "ece": report.calibration.ece,
    }
    c, point = at.confusion, p.operating_point
    lines = [f"{name:<12}{with_interval(one)}" for name, one in figures.items()]
    lines += [
        "",
        f"{'confusion':<12}{'called normal':>14}{'called pneumonia':>18}",
        f"{'normal':<12}{c.tn:>14}{c.fp:>18}",
        f"{'pneumonia':<12}{c.fn:>14}{c.tp:>18}",
        "",
        f"operating point {point.name}: pneumonia from {point.threshold:.4f} on",
        f"model {p.model.id} (weights SHA-256 {p.model.sha256})",
    ]
    if p.source:
        where = f"data {p.source.folder}, split {p.source.split}"
        lines.append(f"{where} (SHA-256 {p.source.digest})")
    lines += [
        (
            f"{c.n} films of {len(set(p.patients))} patients scored; "
            f"{len(report.indeterminate)} in the indeterminate band; "
            f"{len(p.refused)} could not be decoded; "
            f"{len(p.refused_by_gate)} scored though the app would refuse them"
        ),
        "95 % intervals: percentile bootstrap over patients; Wilson's where a share is 0 or 1",
    ]
    if report.command:
        lines.append(f"made by: {report.command}")
    lines += _groups(report)
    return "\n".join(lines) + "\n"


def _three_classes(report: EvaluationReport) -> str:
    """The figures of three classes; empty for a model that does not tell them."""
    if report.predictions.viral is None:
        return ""
    three, told = report.classes, ClassPredictions.of(report.predictions)
    if three is None or told is None:
        return (
            "\nThree classes: not measured, the data does not say which pneumonias are bacterial "
            "and which viral.\n"
        )
    lines = ["", f"{'confusion':<12}" + "".join(f"{'called ' + c:>18}" for c in three.names)]
    lines += [
        f"{name:<12}" + "".join(f"{count:>18}" for count in row)
        for name, row in zip(three.names, three.confusion, strict=True)
    ]
    figures = {
        "accuracy": three.accuracy, "macro F1": three.macro_f1, "mean AUROC": three.macro_auroc
    } | {f"AUROC {name}": one.auroc for name, one in three.per_class.items()}  # fmt: skip
    lines += ["", *(f"{name:<16}{with_interval(one)}" for name, one in figures.items())]
    head = (
        "\nThree classes, the likeliest of the three is called\n"
        f"films counted: {three.n}; left out, of unknown cause: {three.unknown}\n\n"
    )
    if not three.calibrated:
        head += _UNCALIBRATED
    views = [told.against_rest(cls) for cls in range(3)]
    return head + _report_classes(three.names, views) + "\n".join(lines) + "\n"


def with_interval(figure: Estimate) -> str:
    """A figure with its interval, to four digits."""
    if math.isnan(figure.value):
        return "n/a"
    return f"{figure.value:.4f} (95 % CI {figure.low:.4f} to {figure.high:.4f})"


def _line(name: str, rates: NDArray[np.float64], support: int) -> str:
    precision, recall, f1 = (_number(rate) for rate in rates)
    return f"{name:>12}{precision:>11}{recall:>10}{f1:>10}{support:>10}"


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"
