"""The metrics against hand-computed cases and against scikit-learn."""

import math
import time
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from pneumonia.monitoring.wilson import Z95
from train import metrics
from train.metrics import Confusion

SEEDS = range(8)


@pytest.fixture(scope="module", autouse=True)
def all_resamples(few_resamples: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(metrics.bootstrap_each.__kwdefaults__, "rounds", 1000)
        patch.setitem(metrics.bootstrap.__kwdefaults__, "rounds", 1000)
        yield


def with_ties(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with many equal values, separated a little."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.6).astype(np.int64)
    return labels, np.round(np.clip(rng.random(n) * 0.7 + labels * 0.3, 0, 1), 1)


# --- rates ---------------------------------------------------------------------------------------


def test_rates_of_a_published_confusion() -> None:
    """The ResNet-18 report on the 624 test films: accuracy 0.8141."""
    c = Confusion(tn=126, fp=108, fn=8, tp=382)
    assert c.n == 624
    assert c.accuracy == pytest.approx(0.814103, abs=1e-6)
    assert c.sensitivity == pytest.approx(382 / 390)
    assert c.specificity == pytest.approx(126 / 234)
    assert c.precision == pytest.approx(382 / 490)
    assert c.f1 == pytest.approx(2 * 382 / (2 * 382 + 108 + 8))


def test_rates_without_a_denominator_are_nan() -> None:
    only_normal = Confusion(tn=3, fp=0, fn=0, tp=0)
    assert math.isnan(only_normal.sensitivity)
    assert math.isnan(only_normal.precision)
    assert math.isnan(only_normal.f1)
    assert only_normal.specificity == 1
    assert math.isnan(Confusion(0, 0, 0, 0).accuracy)


def test_a_probability_at_the_threshold_is_pneumonia() -> None:
    c = metrics.confusion(np.array([0, 0, 1, 1]), np.array([0.5, 0.49, 0.5, 0.49]), 0.5)
    assert c == Confusion(tn=1, fp=1, fn=1, tp=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_rates_equal_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    c = metrics.confusion(labels, p, 0.6)
    called = p >= 0.6
    assert [[c.tn, c.fp], [c.fn, c.tp]] == sk.confusion_matrix(labels, called).tolist()
    assert c.accuracy == pytest.approx(sk.accuracy_score(labels, called))
    assert c.precision == pytest.approx(sk.precision_score(labels, called))
    assert c.sensitivity == pytest.approx(sk.recall_score(labels, called))
    assert c.specificity == pytest.approx(sk.recall_score(labels, called, pos_label=0))
    assert c.f1 == pytest.approx(sk.f1_score(labels, called))
    assert c.mcc == pytest.approx(sk.matthews_corrcoef(labels, called))


def test_mcc_at_the_ends() -> None:
    assert Confusion(tn=5, fp=0, fn=0, tp=3).mcc == 1
    assert Confusion(tn=0, fp=5, fn=3, tp=0).mcc == -1
    assert math.isnan(Confusion(tn=0, fp=5, fn=0, tp=3).mcc)  # nothing was called normal


# --- AUROC and the curve -------------------------------------------------------------------------


def test_auroc_by_hand() -> None:
    # Pairs (pneumonia, normal): 0.4>0.1, 0.4=0.4 (half), 0.8>0.1, 0.8>0.4 -> 3.5 of 4.
    assert metrics.auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8])) == 0.875
    assert metrics.auroc(np.array([0, 1]), np.array([0.2, 0.2])) == 0.5
    assert metrics.auroc(np.array([1, 0]), np.array([0.1, 0.9])) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_auroc_equals_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    assert metrics.auroc(labels, p) == pytest.approx(sk.roc_auc_score(labels, p), abs=1e-12)
    assert metrics.auroc(labels.astype(bool), p * 40 - 20) == pytest.approx(
        sk.roc_auc_score(labels, p), abs=1e-12
    )


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_auroc_needs_both_classes(labels: list[int]) -> None:
    assert math.isnan(metrics.auroc(np.array(labels), np.linspace(0, 1, len(labels))))


@pytest.mark.parametrize("seed", SEEDS)
def test_auprc_equals_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    expected = sk.average_precision_score(labels, p)
    assert metrics.auprc(labels, p) == pytest.approx(expected, abs=1e-12)


def test_auprc_at_the_ends() -> None:
    # All alike: one step, at the share of pneumonias. Perfect: 1. None to find: no figure.
    assert metrics.auprc(np.array([0, 0, 0, 1]), np.full(4, 0.5)) == 0.25
    assert metrics.auprc(np.array([0, 1, 1]), np.array([0.1, 0.6, 0.7])) == 1
    assert math.isnan(metrics.auprc(np.array([0, 0]), np.array([0.1, 0.2])))


# --- thresholds ----------------------------------------------------------------------------------


def test_sensitivity_at_specificity_by_hand() -> None:
    # Ten normals at 0.05..0.95, so "at least 0.9" allows exactly one of them above.
    labels = np.array([0] * 10 + [1] * 4)
    scores = np.array([0.05 + 0.1 * i for i in range(10)] + [0.5, 0.9, 0.92, 0.99])
    sensitivity, threshold = metrics.sensitivity_at_specificity(labels, scores, 0.9)
    assert sensitivity == 0.75
    assert threshold == 0.9
    # Stricter: no normal above, only the pneumonia at 0.99 is left.
    assert metrics.sensitivity_at_specificity(labels, scores, 1.0) == (0.25, 0.99)
    # At no specificity at all everything may be called; the highest such threshold is chosen.
    assert metrics.sensitivity_at_specificity(labels, scores, 0.0) == (1.0, 0.5)


def test_sensitivity_is_zero_where_nothing_is_specific_enough() -> None:
    found = metrics.sensitivity_at_specificity(np.array([0, 1]), np.array([0.9, 0.1]), 0.5)
    assert found == (0.0, math.inf)


@pytest.mark.parametrize("seed", SEEDS)
def test_threshold_reproduces_its_sensitivity(seed: int) -> None:
    labels, p = with_ties(seed)
    sensitivity, threshold = metrics.sensitivity_at_specificity(labels, p, 0.8)
    c = metrics.confusion(labels, p, threshold)
    assert c.sensitivity == sensitivity
    assert c.specificity >= 0.8
    others = [metrics.confusion(labels, p, t) for t in np.unique(p)]
    assert sensitivity == max([o.sensitivity for o in others if o.specificity >= 0.8], default=0)


def test_thresholds_of_one_class_are_nan() -> None:
    labels, p = np.array([0, 0]), np.array([0.1, 0.2])
    assert all(math.isnan(v) for v in metrics.sensitivity_at_specificity(labels, p, 0.9))


# --- calibration ---------------------------------------------------------------------------------


def test_brier_by_hand() -> None:
    assert metrics.brier(np.array([1, 0]), np.array([0.8, 0.4])) == pytest.approx(0.1)
    assert math.isnan(metrics.brier(np.array([]), np.array([])))


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_equals_scikit_learn(seed: int) -> None:
    labels, p = with_ties(seed)
    assert metrics.brier(labels, p) == pytest.approx(sk.brier_score_loss(labels, p))


def test_calibration_error_by_hand() -> None:
    # Bin (0, 0.5]: 0.2, 0.4 with one pneumonia: |0.5 - 0.3| = 0.2, two films.
    # Bin (0.5, 1]: 0.9, 0.7 both pneumonia: |1 - 0.8| = 0.2; and 0.6 normal -> |2/3 - 2.2/3|.
    labels, p = np.array([0, 1, 1, 1, 0]), np.array([0.2, 0.4, 0.9, 0.7, 0.6])
    expected = 2 / 5 * 0.2 + 3 / 5 * abs(2 / 3 - 2.2 / 3)
    assert metrics.expected_calibration_error(labels, p, bins=2) == pytest.approx(expected)


def test_calibration_error_of_certainty() -> None:
    right = np.array([0, 1, 1])
    assert metrics.expected_calibration_error(right, np.array([0.0, 1.0, 1.0])) == 0
    assert metrics.expected_calibration_error(right, np.array([1.0, 0.0, 0.0])) == 1
    assert math.isnan(metrics.expected_calibration_error(np.array([]), np.array([])))


def test_bins_hold_their_right_edge() -> None:
    b = metrics.reliability_bins(
        np.array([0, 0, 1, 1]), np.array([0.0, 0.25, 0.2500001, 1.0]), bins=4
    )
    assert b.counts.tolist() == [2, 1, 0, 1]
    assert b.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert b.observed[[0, 1, 3]].tolist() == [0, 1, 1]
    assert b.predicted[0] == 0.125
    assert np.isnan(b.observed[2])


@pytest.mark.parametrize("seed", SEEDS)
def test_bins_equal_scikit_learn_away_from_the_edges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(400)
    labels = (rng.random(400) < p).astype(int)
    b = metrics.reliability_bins(labels, p, bins=15)
    observed, predicted = calibration_curve(labels, p, n_bins=15)
    np.testing.assert_allclose(b.observed[b.counts > 0], observed)
    np.testing.assert_allclose(b.predicted[b.counts > 0], predicted)


def test_a_probability_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"probabilities must be in \[0, 1\], not 0.1..1.2"):
        metrics.expected_calibration_error(np.array([0, 1]), np.array([0.1, 1.2]))


# --- intervals -----------------------------------------------------------------------------------


def test_bootstrap_agrees_with_hanley_and_mcneil() -> None:
    """The 1982 formula for the standard error of the AUROC, on films that are independent."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [234, 390])
    scores = rng.normal(size=624) + labels * 1.5
    a = metrics.auroc(labels, scores)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + 389 * (q1 - a * a) + 233 * (q2 - a * a)) / (234 * 390)
    low, high = metrics.bootstrap(metrics.auroc, labels, scores)
    assert low < a < high
    assert high - low == pytest.approx(2 * Z95 * math.sqrt(variance), rel=0.2)


def test_bootstrap_resamples_whole_patients() -> None:
    """Each film sixteen times over: by film the interval would be four times too narrow."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 40)
    scores = rng.normal(size=80) + labels
    single = metrics.bootstrap(metrics.auroc, labels, scores)
    many, repeated = np.repeat(labels, 16), np.repeat(scores, 16)
    patients = np.repeat([f"p{i:02}" for i in range(80)], 16)
    by_patient = metrics.bootstrap(metrics.auroc, many, repeated, groups=patients)
    by_radiograph = metrics.bootstrap(metrics.auroc, many, repeated)
    assert by_patient == pytest.approx(single, abs=1e-12)  # the same draws, of the same patients
    width = single[1] - single[0]
    assert by_radiograph[1] - by_radiograph[0] == pytest.approx(width / 4, rel=0.25)


def test_bootstrap_takes_patients_that_are_scattered() -> None:
    """Every resample holds all films of a patient or none of them."""
    groups = ["a", "b", "a", "c", "b", "a"]
    codes = np.array([1, 10, 1, 100, 10, 1]) / 1000
    sums: list[float] = []

    def collect(_: np.ndarray, values: np.ndarray) -> float:
        sums.append(round(float(values.sum()) * 1000))
        return 0.0

    metrics.bootstrap(collect, np.zeros(6), codes, groups=groups, rounds=200)
    # a brings 3, b brings 20, c brings 100; three patients are drawn.
    allowed = {3 * a + 20 * b + 100 * (3 - a - b) for a in range(4) for b in range(4 - a)}
    assert set(sums) == allowed


def test_bootstrap_is_seeded() -> None:
    labels, p = with_ties(0)
    one = metrics.bootstrap(metrics.auroc, labels, p, seed=3, rounds=100)
    assert one == metrics.bootstrap(metrics.auroc, labels, p, seed=3, rounds=100)
    assert one != metrics.bootstrap(metrics.auroc, labels, p, seed=4, rounds=100)


def test_bootstrap_ignores_resamples_without_a_class() -> None:
    """Four films: one resample in eight has a single class, and its AUROC is nan."""
    labels, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert metrics.bootstrap(metrics.auroc, labels, p) == (1.0, 1.0)
    one_class = metrics.bootstrap(metrics.auroc, np.zeros(4), p)
    assert all(math.isnan(v) for v in one_class)
    assert all(math.isnan(v) for v in metrics.bootstrap(metrics.brier, np.array([]), np.array([])))


def test_several_statistics_have_the_intervals_each_has_alone() -> None:
    labels, p = with_ties(2)
    patients = [str(i // 3) for i in range(len(p))]
    both = metrics.bootstrap_each(
        lambda y, q: np.array([metrics.auroc(y, q), metrics.brier(y, q)]),
        labels,
        p,
        groups=patients,
        rounds=100,
    )
    assert both == [
        metrics.bootstrap(statistic, labels, p, groups=patients, rounds=100)
        for statistic in (metrics.auroc, metrics.brier)
    ]
    assert both[0][0] < metrics.auroc(labels, p) < both[0][1]


def test_bootstrap_of_the_test_split_is_quick() -> None:
    labels, p = with_ties(0, n=624)
    started = time.process_time()
    metrics.bootstrap(metrics.auroc, labels, p, groups=[str(i // 2) for i in range(624)])
    assert time.process_time() - started < 5


# --- what would mislead silently -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "scores", "sentence"),
    [
        ([0, 1], [0.5], r"labels \(2,\) and scores \(1,\) must both be \(n,\)"),
        ([0, 2], [0.1, 0.2], "labels must be 0 .normal. or 1 .pneumonia."),
        ([0, 1], [0.1, math.nan], "scores must not be nan"),
    ],
)
def test_bad_arrays_are_refused(labels: list[int], scores: list[float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        metrics.auroc(np.array(labels), np.array(scores))


def test_bootstrap_refuses_groups_of_another_length() -> None:
    with pytest.raises(ValueError, match="1 groups for 2 films"):
        metrics.bootstrap(metrics.auroc, np.array([0, 1]), np.array([0.1, 0.2]), groups=["a"])
