import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pneumonia.errors import RunError
from train import calibrate, metrics
from train.calibrate import MIN_SENSITIVITY


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
    from pneumonia.analysis.predictor import calibrate as serve

    fitted = calibrate.Calibration(1.7, -0.4)
    logits = np.linspace(-30, 30, 13)
    served = [serve(z, 1.7, -0.4) for z in logits]
    np.testing.assert_allclose(fitted.probabilities(logits), served, rtol=1e-12)


class TestOperatingPoint:
    def films(self, n: int = 4000):
        random = np.random.default_rng(2)
        labels = np.arange(n) < 0.75 * n
        z = np.where(labels, random.normal(4, 2, n), random.normal(-2, 1, n))
        return labels, 1 / (1 + np.exp(-z))

    def test_keeps_the_sensitivity_and_is_the_highest_that_does(self) -> None:
        labels, p = self.films()
        point = calibrate.choose_operating_point(labels, p)
        assert point.name == "sensitivity-95"
        at = metrics.confusion(labels, p, point.threshold)
        assert metrics.wilson(at.tp, at.tp + at.fn)[0] >= MIN_SENSITIVITY
        above = metrics.confusion(labels, p, np.nextafter(point.threshold, 1))
        assert metrics.wilson(above.tp, above.tp + above.fn)[0] < MIN_SENSITIVITY

    def test_the_band_ends_where_errors_balance(self) -> None:
        labels, p = self.films(40_000)
        p = 1 / (1 + (1 - p) / p * np.e)  # one logit down: errors balance below 0.5
        point = calibrate.choose_operating_point(labels, p)
        low, high = point.indeterminate
        assert low < 0.4
        counts = metrics.confusion(labels, p, low)
        assert counts.sensitivity == pytest.approx(counts.specificity, abs=0.01)
        assert low < high < point.threshold
        assert point.label(point.threshold) == "pneumonia"
        assert point.label(high) == "indeterminate"
        assert point.label(np.nextafter(low, 0)) == "normal"

    def test_a_normal_is_never_the_less_likely_answer(self) -> None:
        labels, p = self.films(4000)
        shifted = 1 / (1 + (1 - p) / p / np.e**2)  # two logits up: errors balance above 0.5
        point = calibrate.choose_operating_point(labels, shifted)
        assert point.indeterminate[0] == 0.5
        assert point.label(0.499) == "normal"

    def test_where_the_classes_overlap_errors_balance_and_there_is_no_band(self) -> None:
        labels, logits = sample(4000, seed=3)
        p = calibrate.fit_calibration(labels, logits).probabilities(logits)
        point = calibrate.choose_operating_point(labels, p)
        assert point.indeterminate is None or point.indeterminate[0] == 0.5
        counts = metrics.confusion(labels, p, point.threshold)
        assert counts.sensitivity == pytest.approx(counts.specificity, abs=0.03)

    def test_few_films_cannot_promise_a_sensitivity(self) -> None:
        labels = np.array([False] * 5 + [True] * 5)
        p = np.where(labels, 0.9, 0.1) + np.linspace(-0.05, 0.05, 10)
        point = calibrate.choose_operating_point(labels, p)
        assert 0.15 < point.threshold < 0.85

    def test_one_class_is_refused(self) -> None:
        with pytest.raises(ValueError, match="both classes"):
            calibrate.choose_operating_point(np.ones(3, bool), np.full(3, 0.5))


def test_full_scale_is_a_high_percentile_of_what_speaks_for_pneumonia() -> None:
    labels = np.array([True, True, False])
    maps = np.array(
        [np.full((10, 10), -5.0), np.arange(100).reshape(10, 10), np.full((10, 10), 1e6)]
    )
    assert calibrate.choose_full_scale(labels, maps.astype(np.float32)) == pytest.approx(98.02)
    assert calibrate.choose_full_scale(labels, -np.abs(maps).astype(np.float32)) == 1.0
