"""The curves against hand-computed cases and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from train import metrics
from train.evaluate import curves

SEEDS = range(8)


def with_ties(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with many equal values, separated a little."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.6).astype(np.int64)
    return labels, np.round(np.clip(rng.random(n) * 0.7 + labels * 0.3, 0, 1), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_roc_curve_equals_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    expected = sk.roc_curve(labels, p, drop_intermediate=False)
    for ours, theirs in zip(curves.roc_curve(labels, p), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_roc_curve_of_one_class_has_no_rate_for_the_other() -> None:
    fpr, tpr, thresholds = curves.roc_curve(np.array([1, 1]), np.array([0.3, 0.6]))
    assert np.isnan(fpr).all()
    assert tpr.tolist() == [0, 0.5, 1]
    assert thresholds.tolist() == [math.inf, 0.6, 0.3]


def test_roc_curve_of_nothing_is_one_point() -> None:
    fpr, _, thresholds = curves.roc_curve(np.array([]), np.array([]))
    assert len(fpr) == 1
    assert thresholds.tolist() == [math.inf]


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_recall_curve_equals_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    recall, precision, thresholds = curves.precision_recall_curve(labels, p)
    theirs = sk.precision_recall_curve(labels, p)
    # Theirs falls, ends in an anchor of its own at (1, 0), and has one threshold less.
    np.testing.assert_allclose(precision[::-1], theirs[0][:-1])
    np.testing.assert_allclose(recall[::-1], theirs[1][:-1])
    np.testing.assert_allclose(thresholds[::-1], theirs[2])
    area = np.sum(np.diff(recall, prepend=0) * precision)
    assert area == pytest.approx(metrics.auprc(labels, p))


def test_precision_recall_of_normals_has_no_sensitivity() -> None:
    recall, precision, _ = curves.precision_recall_curve(np.array([0, 0]), np.array([0.3, 0.6]))
    assert np.isnan(recall).all()
    assert precision.tolist() == [0, 0]


def test_selective_accuracy_by_hand() -> None:
    # From farthest to nearest of 0.5: 0.9 right, 0.2 right, 0.7 wrong, 0.55 right.
    labels = np.array([1, 0, 1, 0])
    found = curves.selective_accuracy(labels, np.array([0.55, 0.7, 0.9, 0.2]), 0.5)
    assert found.tolist() == [1, 1, pytest.approx(2 / 3), 0.75]


def test_selective_accuracy_does_not_part_radiographs_at_one_distance() -> None:
    # 0.75 is right and 0.25 wrong, both a quarter away: whichever comes first, one half.
    for order in ([0, 1], [1, 0]):
        labels, p = np.array([1, 1])[order], np.array([0.75, 0.25])[order]
        assert curves.selective_accuracy(labels, p, 0.5).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("seed", SEEDS)
def test_selective_accuracy_at_full_coverage_is_accuracy(seed: int) -> None:
    labels, p = with_ties(seed)
    found = curves.selective_accuracy(labels, p, 0.6)
    assert found[-1] == sk.accuracy_score(labels, p >= 0.6)
    far = np.abs(p - 0.6) >= 0.35
    assert found[far.sum() - 1] == pytest.approx(sk.accuracy_score(labels[far], (p >= 0.6)[far]))


def test_selective_accuracy_of_nothing_is_nothing() -> None:
    assert curves.selective_accuracy(np.array([]), np.array([]), 0.5).shape == (0,)
