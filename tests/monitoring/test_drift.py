"""Drift is found where it is, named for what it is, and not seen where there is none.

Films are drawn with a known share of pneumonia, calibrated probabilities and known distances.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ks_2samp

from pneumonia.monitoring.drift import (
    MIN_FILMS,
    REFERENCE,
    Shift,
    estimate_prevalence,
    find_drift,
    kolmogorov_smirnov,
)
from pneumonia.monitoring.observations import Observations

SHARE = 0.3  # of pneumonia, among the first films


def draw(seed: int, n: int, share: float = SHARE, equipment: float = 0.0) -> Observations:
    """Scores whose log-odds are exact for a share of 0.3; pneumonias lie a little further off."""
    random = np.random.default_rng(seed)
    ill = random.random(n) < share
    logits = random.normal(np.where(ill, 2, -2), 2, n)
    probabilities = 1 / (1 + np.exp(-(logits + np.log(SHARE / (1 - SHARE)))))
    distances = random.gamma(9, 0.05, n) + 0.05 * ill + equipment
    no = np.zeros(n, np.bool_)
    return Observations(
        np.zeros(n, "datetime64[us]"), probabilities, np.full(n, 0.5), logits, no, no,
        np.full(n, -2, np.int8), distances,
    )  # fmt: skip


def join(*parts: Observations) -> Observations:
    names = Observations.__slots__
    return Observations(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def kinds(*later: Observations, first: Observations | None = None) -> list[Shift]:
    parts = [draw(0, REFERENCE) if first is None else first, *later]
    ends = np.cumsum([len(part) for part in parts])
    place = np.arange(ends[-1])
    periods = [(place >= a) & (place < b) for a, b in pairwise(ends)]
    return [one.shift for one in find_drift(join(*parts), periods)]


def test_films_like_the_first_ones_raise_no_alarm() -> None:
    assert kinds(*(draw(seed, 300) for seed in range(1, 13))) == [Shift.NONE] * 12


def test_a_false_alarm_is_as_rare_as_it_is_said_to_be() -> None:
    tables = [
        kinds(*(draw(100 * t + k, 80) for k in range(1, 7)), first=draw(100 * t, REFERENCE))
        for t in range(1, 201)
    ]
    alarms = sum(set(table) != {Shift.NONE} for table in tables)
    assert alarms / len(tables) <= 0.08  # 5 %, and what 200 tables let chance add


@pytest.mark.parametrize(
    ("later", "kind"),
    [
        (draw(1, 300, share=0.7), Shift.PREVALENCE),
        (draw(2, 600, share=0.02), Shift.PREVALENCE),
        (draw(3, 300, equipment=0.2), Shift.COVARIATE),
        (draw(4, 300, share=0.7, equipment=0.2), Shift.COVARIATE),
    ],
    ids=["more-pneumonias", "fewer", "equipment", "both"],
)
def test_other_patients_and_other_equipment_are_told_apart(
    later: Observations, kind: Shift
) -> None:
    assert kinds(draw(9, 300), later) == [Shift.NONE, kind]


def test_too_few_films_are_not_judged() -> None:
    far = draw(1, MIN_FILMS - 1, equipment=5.0)
    assert kinds(far) == [Shift.TOO_FEW]
    assert kinds(draw(1, 300, equipment=5.0), first=draw(0, REFERENCE - 1)) != [Shift.NONE]
    assert (
        find_drift(draw(0, REFERENCE - 1), [np.ones(REFERENCE - 1, np.bool_)])[0]
        == (find_drift(draw(0, 10), [np.ones(10, np.bool_)])[0])
    )


def test_films_outside_what_the_model_knows_and_without_a_distance_take_no_part() -> None:
    odd = draw(1, 300, equipment=5.0)
    odd.outside[:] = True
    assert kinds(odd) == [Shift.TOO_FEW]
    old = draw(2, 300)
    old.distances[:] = np.nan
    assert kinds(old, draw(3, 300)) == [Shift.NONE, Shift.NONE]
    late = draw(0, REFERENCE)
    late.distances[:] = np.nan  # read before distances were kept: the reference is of later ones
    assert kinds(draw(3, 300), draw(4, 300, equipment=0.2), first=late)[1] is Shift.COVARIATE


def test_the_share_of_pneumonia_is_estimated() -> None:
    first = draw(1, 20_000).probabilities
    for share in (0.05, 0.3, 0.8):
        found = estimate_prevalence(first, draw(2, 20_000, share).probabilities)
        assert found == pytest.approx(share, abs=0.02)
    assert estimate_prevalence(first, np.zeros(60)) < 0.01
    assert estimate_prevalence(np.full(60, 1.0), np.full(60, 1.0)) > 0.99


@pytest.mark.parametrize(("n", "m", "shift"), [(200, 60, 0.0), (200, 300, 0.3), (200, 900, 0.1)])
def test_the_test_is_scipys(n: int, m: int, shift: float) -> None:
    random = np.random.default_rng(n + m)
    first, second = random.normal(size=n).round(1), random.normal(size=m).round(1) + shift
    difference, p = kolmogorov_smirnov(first, second, np.ones(n))
    theirs = ks_2samp(first, second, method="asymp")
    assert difference == pytest.approx(theirs.statistic, abs=1e-12)
    assert p == pytest.approx(theirs.pvalue, rel=0.25, abs=0.02)


def test_a_film_of_double_weight_is_two_films() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 9.0, 9.5])
    twice, _ = kolmogorov_smirnov(np.array([1.0, 2.0, 2.0, 3.0]), second, np.ones(4))
    assert kolmogorov_smirnov(first, second, np.array([1.0, 2.0, 1.0]))[0] == twice
