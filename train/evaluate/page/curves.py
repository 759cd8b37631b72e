"""The curves of the report, drawn from an evaluation."""

from math import floor

import numpy as np

from train import metrics
from train.evaluate import curves
from train.evaluate.evaluation import Evaluation
from train.evaluate.page.charts import MARKERS, Panel, picture
from train.evaluate.page.markup import Markup, figure, key, paragraph

_CORNER = 0.2  # where a good model's curve happens: the last fifth of either axis


def _shapes(evaluation: Evaluation) -> dict[str, str]:
    """A marker for each operating point, the circle for the one in force."""
    active = evaluation.operating_point.name
    others = iter(MARKERS[1:] * len(evaluation.points))
    return {name: MARKERS[0] if name == active else next(others) for name in evaluation.points}


def draw_roc(evaluation: Evaluation) -> Markup:
    """The ROC curve with the operating points, its corner enlarged."""
    fpr, tpr, _ = curves.roc_curve(evaluation.labels, evaluation.probabilities)
    if np.isnan(fpr).any() or np.isnan(tpr).any():
        return paragraph("Films of one class only: there is no ROC curve.")
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    whole = Panel(52, 12, 334, 334, (0, 1), (0, 1))
    whole.grid(ticks, ticks)
    whole.names("1 − specificity: normals called pneumonia", "sensitivity")
    whole.line(np.array([[0, 0], [1, 1]]), "chance")
    panels = [whole]
    if np.interp(_CORNER, fpr, tpr) > 1 - _CORNER:
        corner = Panel(190, 132, 178, 178, (0, _CORNER), (1 - _CORNER, 1))
        corner.ground()
        corner.grid((0, 0.1, 0.2), (0.8, 0.9, 1))
        panels.append(corner)
    for panel in panels:
        panel.line(np.column_stack([fpr, tpr]))
        for name, shape in _shapes(evaluation).items():
            c = _counts(evaluation, name)
            panel.marker(1 - c.specificity, c.sensitivity, shape)
    title = "ROC curve"
    caption = "ROC curve, its upper left corner enlarged." if len(panels) > 1 else "ROC curve."
    return figure(picture(panels, 392, title), caption, key(_shapes(evaluation)))


def draw_precision_recall(evaluation: Evaluation) -> Markup:
    """Precision against sensitivity, with the operating points."""
    recall, precision, _ = curves.precision_recall_curve(
        evaluation.labels, evaluation.probabilities
    )
    if np.isnan(recall).any():
        return paragraph("No film shows pneumonia: there is no precision-recall curve.")
    share = float(evaluation.truth.mean())
    counts = {name: _counts(evaluation, name) for name in evaluation.points}
    lowest = min([share, *(c.precision for c in counts.values() if c.tp + c.fp)])
    floor_ = max(0.0, floor(lowest * 10 - 1e-9) / 10)
    panel = Panel(52, 12, 334, 334, (0, 1), (floor_, 1))
    panel.grid((0, 0.2, 0.4, 0.6, 0.8, 1), _ticks(floor_))
    panel.names("sensitivity", "precision")
    panel.line(np.array([[0, share], [1, share]]), "chance")
    # A staircase: from one point to the next the precision of the next one holds.
    before = np.concatenate([[0.0], recall[:-1]])
    steps = np.column_stack([before, precision, recall, precision]).reshape(-1, 2)
    panel.line(steps)
    for name, shape in _shapes(evaluation).items():
        if counts[name].tp + counts[name].fp:
            panel.marker(counts[name].sensitivity, counts[name].precision, shape)
    caption = "Precision-recall curve; dotted: calling every film pneumonia."
    chart = picture([panel], 392, "Precision-recall curve")
    return figure(chart, caption, key(_shapes(evaluation)))


def draw_reliability(evaluation: Evaluation) -> Markup:
    """Share of pneumonias against the probability, and how many films stand behind it."""
    b = metrics.reliability_bins(evaluation.truth, evaluation.probabilities)
    above = Panel(52, 12, 334, 280, (0, 1), (0, 1))
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    above.grid((), ticks)
    above.names("", "share that are pneumonia")
    above.line(np.array([[0, 0], [1, 1]]), "chance")
    most = int(b.counts.max())
    below = Panel(52, 312, 334, 70, (0, 1), (0, most))
    below.grid(ticks, (0, most))
    below.names("calibrated probability of pneumonia", "films")
    for i in np.flatnonzero(b.counts):
        n, observed = int(b.counts[i]), float(b.observed[i])
        above.interval(float(b.predicted[i]), *metrics.wilson(round(observed * n), n))
        below.bar(float(b.edges[i]), float(b.edges[i + 1]), n)
    for i in np.flatnonzero(b.counts):
        above.marker(float(b.predicted[i]), float(b.observed[i]), "circle")
    caption = (
        "Reliability: in each fifteenth of the scale, the mean probability and the share of films "
        "that are pneumonia, with Wilson's 95 % interval; below, how many films they are."
    )
    return figure(picture([above, below], 428, "Reliability"), caption)


def draw_selective(evaluation: Evaluation) -> Markup:
    """Accuracy on the films farthest from the threshold, against how many these are."""
    threshold = evaluation.operating_point.threshold
    accuracy = curves.selective_accuracy(evaluation.labels, evaluation.probabilities, threshold)
    coverage = np.arange(1, len(accuracy) + 1) / len(accuracy)
    shown = coverage >= min(0.1, coverage[-1])  # a few films say nothing
    lowest = max(0.0, floor(float(accuracy[shown].min()) * 20 - 1e-9) / 20)
    panel = Panel(52, 12, 334, 250, (0, 1), (lowest, 1))
    panel.grid((0, 0.2, 0.4, 0.6, 0.8, 1), _ticks(lowest))
    panel.names("coverage: share of films that are called", "accuracy")
    panel.line(np.column_stack([coverage, accuracy])[shown])
    caption = (
        "Accuracy against coverage: the films nearest to the threshold are left to the reader "
        "first."
    )
    return figure(picture([panel], 308, "Accuracy against coverage"), caption)


def _counts(evaluation: Evaluation, name: str) -> metrics.Confusion:
    threshold = evaluation.points[name].threshold
    return metrics.confusion(evaluation.labels, evaluation.probabilities, threshold)


def _ticks(low: float) -> list[float]:
    """Three to six round values from ``low`` (a multiple of 0.05) to 1."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (1 - low) / s <= 5.001)
    return [round(1 - i * step, 2) for i in range(int((1 - low) / step + 1e-6) + 1)][::-1]
