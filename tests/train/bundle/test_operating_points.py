"""Three thresholds: what each promises, that it is kept, and that their order never changes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train import metrics
from train.bundle.conformal import ERROR_RATE
from train.bundle.operating_points import (
    MIN_SENSITIVITY,
    MIN_SPECIFICITY,
    choose_operating_points,
    describe_operating_point,
)
from train.estimates import estimate_rates

NAMES = ("screening", "balanced", "confirming")


def own_patients(labels: np.ndarray) -> list[str]:
    return [str(i) for i in range(len(labels))]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def radiographs(n: int = 2000, normal=(-2.0, 1.0), pneumonia=(4.0, 2.0), seed: int = 2):
    """Labels, three in four pneumonia, and logits that are normal in each class."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) < 0.75 * n
    return labels, np.where(labels, random.normal(*pneumonia, n), random.normal(*normal, n))


def shares_outside(point, labels, p):
    low, high = point.indeterminate or (2, 2)
    outside = (p < low) | (p > high)
    right = (p >= point.threshold) == labels
    return right[outside].mean(), 1 - outside.mean()


class TestPromises:
    def test_screening_is_the_highest_threshold_that_misses_at_most_two_in_a_hundred(self) -> None:
        labels, z = radiographs(pneumonia=(2, 2))
        p = sigmoid(z)
        at = choose_operating_points(labels, p)["screening"].threshold
        assert metrics.confusion(labels, p, at).sensitivity >= MIN_SENSITIVITY
        above = p[p >= at].min()
        assert metrics.confusion(labels, p, np.nextafter(above, 1)).sensitivity < MIN_SENSITIVITY

    def test_confirming_is_the_lowest_that_alarms_at_most_two_in_a_hundred(self) -> None:
        labels, z = radiographs(pneumonia=(2, 2), normal=(-1, 2))
        p = sigmoid(z)
        at = choose_operating_points(labels, p)["confirming"].threshold
        assert metrics.confusion(labels, p, at).specificity >= MIN_SPECIFICITY
        below = p[p < at].max()
        assert metrics.confusion(labels, p, below).specificity < MIN_SPECIFICITY

    def test_balanced_is_the_highest_within_a_standard_error_of_the_best(self) -> None:
        labels, z = radiographs()
        p = sigmoid(z)
        at = choose_operating_points(labels, p)["balanced"].threshold

        def youden(threshold: float) -> float:
            c = metrics.confusion(labels, p, threshold)
            return c.sensitivity + c.specificity - 1

        best = max(p, key=youden)
        c = metrics.confusion(labels, p, best)
        error = np.sqrt(
            c.sensitivity * (1 - c.sensitivity) / 1500 + c.specificity * (1 - c.specificity) / 500
        )
        assert youden(at) == pytest.approx(youden(best) - error, abs=0.002)
        assert at > best

    def test_where_classes_separate_balanced_lies_under_the_pneumonias(self) -> None:
        """Normals move up on films from elsewhere; between the classes, the top is safest."""
        labels = np.arange(400) < 300
        p = np.where(labels, 0.97, 0.02) + np.linspace(-0.01, 0.01, 400)
        at = choose_operating_points(labels, p)["balanced"].threshold
        assert 0.959 < at < 0.961
        assert metrics.confusion(labels, p, at).sensitivity >= 0.99

    def test_promises_are_kept_under_every_alteration_by_itself(self) -> None:
        labels, z = radiographs()
        perturbed = [z, z + 2, z - 1.5, z, z, z, z]  # pooled, the two that move would not weigh
        at = choose_operating_points(labels, sigmoid(z), sigmoid(np.stack(perturbed[1:])))
        for logits in perturbed:
            p = sigmoid(logits)
            screening = metrics.confusion(labels, p, at["screening"].threshold)
            confirming = metrics.confusion(labels, p, at["confirming"].threshold)
            assert screening.sensitivity >= MIN_SENSITIVITY
            assert confirming.specificity >= MIN_SPECIFICITY

    def test_normals_that_move_up_under_stress_raise_balanced_and_confirming(self) -> None:
        labels, z = radiographs(pneumonia=(8, 1))
        perturbed = np.where(labels, z, z + 3)[None]
        alone = choose_operating_points(labels, sigmoid(z))
        both = choose_operating_points(labels, sigmoid(z), sigmoid(perturbed))
        assert both["confirming"].threshold >= alone["confirming"].threshold
        moved = metrics.confusion(labels, sigmoid(perturbed[0]), both["balanced"].threshold)
        assert moved.specificity > 0.97


class TestSources:
    def test_a_small_source_counts_as_much_as_a_large_one(self) -> None:
        """Of 1000 pneumonias here 100 are missed, of 100 there 50: the mean is 0.7."""
        sources = np.array(["Here"] * 2000 + ["There"] * 200)
        labels = np.concatenate([np.arange(2000) < 1000, np.arange(200) < 100])
        z = np.where(labels, 4.0, -4.0)
        z[:100], z[2000:2050] = -4.0, -4.0
        z += np.random.default_rng(0).normal(0, 0.1, len(z))
        points = choose_operating_points(labels, sigmoid(z), sources=sources)
        at = points["balanced"].threshold
        rates = [
            metrics.confusion(labels[own], sigmoid(z)[own], at).sensitivity
            for own in (sources == "Here", sources == "There")
        ]
        assert rates == pytest.approx([0.9, 0.5], abs=0.05)
        # A pooled sensitivity of 0.86 leaves no room for one of 0.98, nor does the mean.
        assert points["screening"].threshold < sigmoid(-3)

    def test_the_source_where_most_would_be_wrong_sets_the_band(self) -> None:
        labels, z = radiographs(4000, normal=(-2, 1), pneumonia=(2, 1))
        sources = np.where(np.arange(4000) % 4 == 0, "There", "Here")
        moved = np.where(labels & (sources == "There"), z - 2, z)
        low = choose_operating_points(labels, sigmoid(moved), sources=sources)["balanced"]
        p = sigmoid(moved)
        own = labels & (sources == "There")
        assert (p[own] < low.indeterminate[0]).mean() <= ERROR_RATE


class TestOrder:
    def test_where_classes_separate_the_ends_of_the_gap_change_places(self) -> None:
        """The highest threshold of sensitivity 0.98 lies above the lowest of specificity 0.98."""
        labels = np.arange(400) < 300
        p = np.where(labels, 0.9, 0.1) + np.linspace(-0.05, 0.05, 400)
        at = [choose_operating_points(labels, p)[name].threshold for name in NAMES]
        assert at[0] <= at[1] <= at[2]
        screening, confirming = (metrics.confusion(labels, p, at[i]) for i in (0, 2))
        assert (screening.specificity, screening.sensitivity) == (0.98, 1)
        assert (confirming.specificity, confirming.sensitivity) == (1, 0.98)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(2, 60), st.integers(0, 3), st.integers(0, 2**32 - 1), st.floats(-3, 8))
    def test_it_holds_whatever_the_radiographs(self, n, perturbations, seed, distance) -> None:
        random = np.random.default_rng(seed)
        labels = random.random(n) < 0.6
        labels[:2] = True, False
        z = np.round(random.normal(0, 2, n) + distance * labels, 1)  # with ties
        perturbed = z + random.normal(0, 2, (perturbations, n))
        points = choose_operating_points(labels, sigmoid(z), sigmoid(perturbed))
        assert tuple(points) == NAMES
        assert all(a.threshold <= b.threshold for a, b in pairwise(points.values()))
        for point in points.values():
            assert 0 <= point.threshold <= 1
            if point.indeterminate:
                low, high = point.indeterminate
                assert 0 <= low < high <= 1
                assert low <= point.threshold
        p = sigmoid(z)
        screening = metrics.confusion(labels, p, points["screening"].threshold)
        confirming = metrics.confusion(labels, p, points["confirming"].threshold)
        assert screening.sensitivity >= MIN_SENSITIVITY
        assert confirming.specificity >= MIN_SPECIFICITY


class TestBand:
    def test_outside_it_at_most_five_in_a_hundred_of_either_class_are_wrong(self) -> None:
        labels, z = radiographs(20_000, normal=(-0.5, 2), pneumonia=(1, 2))
        p = sigmoid(z)
        for point in choose_operating_points(labels, p).values():
            low, high = point.indeterminate
            assert (p[labels] < low).mean() <= ERROR_RATE
            assert (p[~labels] > high).mean() <= ERROR_RATE
        point = choose_operating_points(labels, p)["balanced"]
        low, high = point.indeterminate
        assert (p[labels] < low).mean() == pytest.approx(ERROR_RATE, abs=1e-3)
        assert (p[~labels] > high).mean() == pytest.approx(ERROR_RATE, abs=1e-3)

    def test_it_reaches_from_the_threshold_to_the_bounds(self) -> None:
        labels, z = radiographs(normal=(-1, 2), pneumonia=(2, 2))
        points = choose_operating_points(labels, sigmoid(z))
        assert points["screening"].threshold < points["balanced"].indeterminate[0]
        assert points["screening"].indeterminate[0] == points["screening"].threshold
        assert points["screening"].indeterminate[1] == points["balanced"].indeterminate[1]
        high = points["confirming"].indeterminate[1]
        assert high == np.nextafter(points["confirming"].threshold, 0)

    def test_no_band_where_all_radiographs_are_right_and_the_threshold_is_low(self) -> None:
        labels = np.arange(200) < 100
        p = np.where(labels, 0.45, 0.05) + np.linspace(-0.02, 0.02, 200)
        assert choose_operating_points(labels, p)["balanced"].indeterminate is None

    def test_a_normal_is_never_the_less_likely_answer(self) -> None:
        labels, z = radiographs(pneumonia=(8, 1))
        for point in choose_operating_points(labels, sigmoid(z)).values():
            assert point.threshold > 0.5
            assert point.indeterminate[0] <= 0.5
            assert point.label(0.55) == "indeterminate"
            assert point.label(point.indeterminate[0] - 1e-9) == "normal"
            assert point.label(1.0) == "pneumonia"


class TestDescription:
    def test_figures_are_those_of_the_radiographs(self) -> None:
        labels, z = radiographs()
        p, perturbed = sigmoid(z), sigmoid(np.stack([z + 1, z - 1]))
        points = choose_operating_points(labels, p, perturbed)
        told = describe_operating_point(
            points["balanced"], labels, p, own_patients(labels), perturbed
        )
        c = metrics.confusion(labels, p, points["balanced"].threshold)
        accuracy, share = shares_outside(points["balanced"], labels, p)
        figures = told["validation"]
        assert told["threshold"] == points["balanced"].threshold
        assert told["indeterminate"] == list(points["balanced"].indeterminate)
        assert figures["confusion"] == [[c.tn, c.fp], [c.fn, c.tp]]
        assert figures["sensitivity"]["value"] == pytest.approx(c.sensitivity, abs=5e-5)
        rates = estimate_rates(labels, p, own_patients(labels), points["balanced"].threshold)
        assert figures["specificity"] == rates.specificity.as_dict(4)
        assert figures["accuracy_outside_band"]["value"] == pytest.approx(accuracy, abs=5e-5)
        assert figures["share_in_band"] == pytest.approx(share, abs=5e-5)
        c = metrics.confusion(np.tile(labels, 2), perturbed.ravel(), told["threshold"])
        assert told["perturbed"]["specificity"] == pytest.approx(c.specificity, abs=5e-5)
        assert (told["perturbed"]["perturbations"], told["perturbed"]["n"]) == (2, 2000)

    def test_wrong_answers_are_shares_of_each_class_and_of_each_source(self) -> None:
        labels, z = radiographs(normal=(-1, 2), pneumonia=(2, 2))
        p, sources = sigmoid(z), np.where(np.arange(2000) % 3 == 0, "There", "Here")
        point = choose_operating_points(labels, p, sources=sources)["balanced"]
        told = describe_operating_point(point, labels, p, own_patients(labels), None, sources)
        low, high = point.indeterminate
        figures = told["validation"]
        assert figures["missed"]["value"] == pytest.approx((p[labels] < low).mean(), abs=5e-5)
        alarms = (p[~labels] > high).mean()
        assert figures["false_alarms"]["value"] == pytest.approx(alarms, abs=5e-5)
        there = told["sources"]["There"]
        own = labels & (sources == "There")
        assert there["pneumonia"] == own.sum()
        assert there["missed"]["value"] == pytest.approx((p[own] < low).mean(), abs=5e-5)
        assert told["sources"].keys() == {"Here", "There"}

    @pytest.mark.parametrize("name", NAMES)
    def test_two_radiographs_are_enough(self, name: str) -> None:
        labels, p = np.array([True, False]), np.array([0.8, 0.8])
        point = choose_operating_points(labels, p, p[None])[name]
        told = describe_operating_point(point, labels, p, own_patients(labels), p[None])
        assert told["validation"]["n"] == 2

    def test_of_one_source_nothing_is_said_apart(self) -> None:
        labels, z = radiographs(60)
        point = choose_operating_points(labels, sigmoid(z))["balanced"]
        told = describe_operating_point(
            point, labels, sigmoid(z), own_patients(labels), None, ["Here"] * 60
        )
        assert "sources" not in told

    def test_without_stress_nothing_is_said_of_it(self) -> None:
        labels, z = radiographs(60)
        point = choose_operating_points(labels, sigmoid(z))["balanced"]
        assert "perturbed" not in describe_operating_point(
            point, labels, sigmoid(z), own_patients(labels)
        )


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        choose_operating_points(np.ones(3, bool), np.full(3, 0.5))
