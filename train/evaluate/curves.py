"""The curves of a report: ROC, precision against sensitivity, accuracy against coverage.

numpy only; ``labels`` and ``scores`` as in :mod:`train.metrics`.
"""

from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.metrics import checked, cumulative


def roc_curve(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The empirical ROC curve, one point per distinct score.

    Returns
    -------
    fpr, tpr
        float64 (k,), rising from 0 to 1; all nan for a class that is missing.
    thresholds
        float64 (k,), falling; the first is inf (nothing is called pneumonia).
    """
    truth, values = checked(labels, scores)
    tp, fp, thresholds = cumulative(truth, values)
    positives, negatives = int(np.sum(truth)), int(np.sum(~truth))
    fpr = fp / negatives if negatives else np.full(len(fp), nan)
    tpr = tp / positives if positives else np.full(len(tp), nan)
    return fpr, tpr, thresholds


def precision_recall_curve(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The empirical precision-recall curve, one point per distinct score.

    Returns
    -------
    sensitivity
        float64 (k,), rising to 1; nan without pneumonias.
    precision
        float64 (k,). The curve is a staircase: between two points the precision of the right one
        holds, and :func:`train.metrics.auprc` is the area under it.
    thresholds
        float64 (k,), falling.
    """
    truth, values = checked(labels, scores)
    tp, fp, thresholds = cumulative(truth, values)
    tp, fp = tp[1:], fp[1:]  # where nothing is called pneumonia there is no precision
    positives = int(np.sum(truth))
    recall = tp / positives if positives else np.full(len(tp), nan)
    return recall, tp / (tp + fp), thresholds[1:]


def selective_accuracy(
    labels: NDArray[Any], probabilities: NDArray[Any], threshold: float
) -> NDArray[np.float64]:
    """Accuracy on the k films farthest from the threshold, for k = 1 to n.

    Distance is in probability. Films at the same distance cannot be parted, so each of them has
    the accuracy with all of them in.

    Returns
    -------
    float64 (n,): entry k - 1 belongs to the coverage k / n.
    """
    truth, values = checked(labels, probabilities)
    distance = np.abs(values - threshold)
    order = np.argsort(-distance, kind="stable")
    right = np.cumsum((values >= threshold)[order] == truth[order])
    ranked = distance[order]
    # The last film of each run of equal distances speaks for the run.
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    return np.asarray(right[last] / (last + 1), np.float64)
