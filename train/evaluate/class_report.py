"""Tables of precision, recall and F1 per class, as text."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import THREE_CLASSES, TWO_CLASSES
from train.evaluate.evaluation import Evaluation
from train.evaluate.per_class import Told
from train.metrics import Confusion

_UNCALIBRATED = """\
Bacterial and viral could not be calibrated apart: of a pneumonia they share what the network's own
softmax gives them. The app shows neither.

"""


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


def summarise_classes(evaluation: Evaluation, found: dict[str, Any] | None) -> str:
    """The figures of three classes as text; empty for a model that does not tell them.

    Parameters
    ----------
    found
        As :func:`train.evaluate.per_class.measure` gives it.
    """
    if evaluation.viral is None:
        return ""
    told = Told.of(evaluation)
    if told is None or found is None:
        return (
            "\nThree classes: not measured, the data does not say which pneumonias are bacterial "
            "and which viral.\n"
        )
    views = [told.against_rest(cls) for cls in range(3)]
    lines = ["", f"{'confusion':<12}" + "".join(f"{'called ' + c:>18}" for c in THREE_CLASSES)]
    lines += [
        f"{name:<12}" + "".join(f"{radiographs:>18}" for radiographs in row)
        for name, row in zip(THREE_CLASSES, found["confusion"], strict=True)
    ]
    lines += ["", f"{'accuracy':<16}{with_interval(found['accuracy'])}"]
    lines += [
        f"{name:<16}{with_interval(figure)}"
        for name, figure in (("macro F1", found["macro_f1"]), ("mean AUROC", found["macro_auroc"]))
    ]
    lines += [
        f"AUROC {name:<10}{with_interval(found['per_class'][name]['auroc'])}"
        for name in THREE_CLASSES
    ]
    head = (
        "\nThree classes, the likeliest of the three is called\n"
        f"films counted: {found['n']}; left out, of unknown cause: {found['unknown']}\n\n"
    )
    if not found["calibrated"]:
        head += _UNCALIBRATED
    return head + _report_classes(THREE_CLASSES, views) + "\n".join(lines) + "\n"


def with_interval(rate: dict[str, Any]) -> str:
    """A figure with its interval, to four digits."""
    if rate["value"] is None:
        return "n/a"
    low, high = rate["ci95"]
    return f"{rate['value']:.4f} (95 % CI {low:.4f} to {high:.4f})"


def _line(name: str, rates: NDArray[np.float64], support: int) -> str:
    precision, recall, f1 = (_number(rate) for rate in rates)
    return f"{name:>12}{precision:>11}{recall:>10}{f1:>10}{support:>10}"


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"
