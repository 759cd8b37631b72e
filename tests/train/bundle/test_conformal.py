"""The bounds hold for either class, on every source, with a finite number of films."""

import numpy as np
import pytest

from train.bundle.conformal import ERROR_RATE, find_bounds

NONE = np.empty((0, 0))


def bounds(labels, scores, perturbed=None, sources=None):
    places = np.array([""] * len(labels)) if sources is None else np.array(sources)
    shifted = np.empty((0, len(labels))) if perturbed is None else perturbed
    return find_bounds(labels, scores, shifted, places)


def test_the_bounds_are_the_films_of_that_rank() -> None:
    labels = np.arange(200) < 100
    scores = np.where(labels, np.arange(200) % 100 + 50.0, np.arange(200) % 100 + 0.0)
    assert bounds(labels, scores) == (
        54.0,
        95.0,
    )  # the fifth from either end


def test_of_too_few_films_the_outermost_count() -> None:
    labels = np.array([True] * 5 + [False] * 5)
    scores = np.array([3.0, 1.0, 2.0, 5.0, 4.0, -1.0, 0.5, -2.0, 0.0, -3.0])
    assert bounds(labels, scores) == (1.0, 0.5)


def test_a_source_of_less_than_nineteen_films_promises_nothing_by_itself() -> None:
    labels = np.ones(218, bool)
    labels[100:200] = False
    scores = np.where(labels, 10.0, 0.0) + np.linspace(0, 1, 218)
    scores[200:] = -50.0  # eighteen pneumonias of another place
    few = ["Here"] * 200 + ["There"] * 18
    low, _ = bounds(labels, scores, sources=few)
    enough = ["Here"] * 199 + ["There"] * 19
    labels[199], scores[199] = True, -50.0
    lower, _ = bounds(labels, scores, sources=enough)
    assert (low, lower) == (-50.0, -50.0)  # all together they are too many to leave out
    scores[200:210] = 10.0
    assert bounds(labels, scores, sources=few)[0] > -50.0 or bounds(labels, scores)[0] == -50.0


def test_perturbed_films_count_together() -> None:
    labels = np.arange(200) < 100
    scores = np.where(labels, 10.0, 0.0)
    perturbed = np.stack([scores, np.where(labels, 4.0, 0.0), scores])
    assert bounds(labels, scores, perturbed) == (4.0, 0.0)


@pytest.mark.parametrize("n", [19, 40, 300])
def test_new_films_like_these_are_wrong_at_most_that_often(n: int) -> None:
    """The mean over draws of the share below the bound is at most the rate."""
    random = np.random.default_rng(n)
    shares = []
    for _ in range(1000):
        low, high = bounds(np.arange(2 * n) < n, random.normal(size=2 * n))
        fresh = random.normal(size=500)
        shares.append([(fresh < low).mean(), (fresh > high).mean()])
    assert np.mean(shares, axis=0).max() <= ERROR_RATE + 0.006


def test_the_rate_is_what_the_documents_say() -> None:
    assert pytest.approx(0.05) == ERROR_RATE
