from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pneumonia.errors import RunError
from train import metrics
from train.bundle import calibrate


def sample(n: int, seed: int = 0, temperature: float = 2.0, bias: float = 0.7):
    """Logits whose true calibration is known: P(label) = sigmoid((z + bias) / temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, n)
    truth = 1 / (1 + np.exp(-(logits + bias) / temperature))
    return random.random(n) < truth, logits


def test_it_finds_the_truth_it_was_drawn_from() -> None:
    found = calibrate.fit_calibration(*sample(200_000))
    assert found.temperature == pytest.approx(2.0, rel=0.02)
    assert found.bias == pytest.approx(0.7, abs=0.04)


def test_it_is_logistic_regression() -> None:
    labels, logits = sample(5000, seed=1)
    found = calibrate.fit_calibration(labels, logits)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logits[:, None], labels)
    assert 1 / found.temperature == pytest.approx(theirs.coef_[0, 0], rel=5e-3)
    assert found.bias / found.temperature == pytest.approx(theirs.intercept_[0], abs=5e-3)


def test_it_lowers_the_calibration_error_and_keeps_the_ranking() -> None:
    labels, logits = sample(20_000, temperature=3.0)
    raw = 1 / (1 + np.exp(-logits))
    calibrated = calibrate.fit_calibration(labels, logits).probabilities(logits)
    assert metrics.expected_calibration_error(labels, raw) > 0.08
    assert metrics.expected_calibration_error(labels, calibrated) < 0.015
    assert np.array_equal(np.argsort(raw), np.argsort(calibrated))


def test_classes_that_separate_stay_finite() -> None:
    labels = np.array([False] * 20 + [True] * 60)
    logits = np.where(labels, 5.0, -5.0) + np.linspace(-1, 1, 80)
    found = calibrate.fit_calibration(labels, logits)
    assert 0.1 < found.temperature < 10
    p = found.probabilities(logits)
    assert p.min() > 0.001
    assert p.max() < 0.999


def test_a_network_that_has_learnt_nothing_is_refused() -> None:
    labels, logits = sample(1000)
    with pytest.raises(RunError, match="does not rise with the label"):
        calibrate.fit_calibration(labels, -logits)


def test_the_serving_formula_is_the_fitted_one() -> None:
    from pneumonia.analysis.calibration import Calibration
    from pneumonia.analysis.population import Population

    served_by, fitted = (
        Calibration(1.7, -0.4, {}, Population()),
        calibrate.PlattScaling(1.7, -0.4),
    )
    logits = np.linspace(-30, 30, 13)
    served = [served_by.probability(z) for z in logits]
    np.testing.assert_allclose(fitted.probabilities(logits), served, rtol=1e-12)
    back = [fitted.logit(p) for p in fitted.probabilities(np.linspace(-9, 9, 5))]
    np.testing.assert_allclose(back, np.linspace(-9, 9, 5), atol=1e-6)


class TestFrequency:
    def test_groups_are_of_thirty_radiographs_rising_and_hold_every_radiograph_once(self) -> None:
        labels, logits = sample(634)
        p = 1 / (1 + np.exp(-logits))
        groups = calibrate.count_frequency(labels, p)
        assert len(groups) == 21
        assert {g["n"] for g in groups} == {30, 31}
        assert sum(g["n"] for g in groups) == 634
        assert sum(g["pneumonia"] for g in groups) == labels.sum()
        assert (groups[0]["low"], groups[-1]["high"]) == (p.min(), p.max())
        assert all(a["high"] < b["low"] for a, b in pairwise(groups))

    def test_each_counts_the_radiographs_between_its_ends(self) -> None:
        labels, logits = sample(900)
        p = 1 / (1 + np.exp(-logits))
        for group in calibrate.count_frequency(labels, p):
            inside = (p >= group["low"]) & (p <= group["high"])
            assert (inside.sum(), labels[inside].sum()) == (group["n"], group["pneumonia"])

    @pytest.mark.parametrize(("n", "groups"), [(2, 0), (29, 0), (30, 1), (59, 1), (60, 2)])
    def test_few_radiographs_make_few_groups(self, n: int, groups: int) -> None:
        labels, logits = sample(n)
        assert len(calibrate.count_frequency(labels, 1 / (1 + np.exp(-logits)))) == groups


def test_full_scale_is_a_high_percentile_of_what_speaks_for_pneumonia() -> None:
    labels = np.array([True, True, False])
    maps = np.array(
        [np.full((10, 10), -5.0), np.arange(100).reshape(10, 10), np.full((10, 10), 1e6)]
    )
    assert calibrate.choose_full_scale(labels, maps.astype(np.float32)) == pytest.approx(98.02)
    assert calibrate.choose_full_scale(labels, -np.abs(maps).astype(np.float32)) == 1.0
