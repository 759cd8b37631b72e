"""The one rule of intervals: patients resampled, Wilson's where a share is 0 or 1."""

from math import nan

import numpy as np
import pytest

from pneumonia.monitoring.wilson import wilson
from train import metrics
from train.estimates import Estimate, estimate, estimate_mean, estimate_rates

TRUTH = np.array([True, True, True, False, False, False, False, False])
SCORES = np.array([0.9, 0.8, 0.2, 0.1, 0.2, 0.3, 0.4, 0.1])
ALONE = [str(i) for i in range(8)]


def test_a_share_has_the_interval_of_patients_resampled() -> None:
    found = estimate_rates(TRUTH, SCORES, ALONE, 0.5).sensitivity

    def sensitivity(truth: np.ndarray, p: np.ndarray) -> float:
        return metrics.confusion(truth, p, 0.5).sensitivity

    interval = metrics.bootstrap(sensitivity, TRUTH, SCORES, groups=ALONE)
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), *interval)


def test_a_share_of_all_or_none_has_wilsons() -> None:
    found = estimate_rates(TRUTH, SCORES, ALONE, 0.5)
    assert found.specificity == Estimate(1.0, *wilson(5, 5))
    assert found.precision == Estimate(1.0, *wilson(2, 2))
    none = estimate_rates(TRUTH, SCORES, ALONE, 0.95).sensitivity
    assert none == Estimate(0.0, *wilson(0, 3))


def test_films_of_one_patient_make_it_wider() -> None:
    rng = np.random.default_rng(0)
    truth, scores = np.tile([True, False], 100), rng.random(200)
    apart, together = [str(i) for i in range(200)], [str(i // 20) for i in range(200)]
    widths = [
        (one := estimate_rates(truth, scores, patients, 0.5).accuracy).high - one.low
        for patients in (apart, together)
    ]
    assert widths[0] > 0
    assert widths[1] != widths[0]


def test_several_figures_come_of_the_same_resamples() -> None:
    def twice(truth: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.array([p.mean(), p.mean()])

    first, second = estimate(twice, TRUTH, SCORES, ALONE)
    assert first == second


def test_json_has_no_nan() -> None:
    assert Estimate(nan, nan, nan).as_dict() == {"value": None, "ci95": [None, None]}
    assert Estimate(0.12345, 0.1, 0.2).as_dict(4) == {"value": 0.1235, "ci95": [0.1, 0.2]}
    assert np.isnan(estimate_mean(np.zeros(0), np.zeros(0)).value)
