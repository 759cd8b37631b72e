"""Agreement is counted as the page says, and periods begin where a calendar says."""

from datetime import date
from math import isnan

import numpy as np

from pneumonia.monitoring.agreement import Agreement, Share
from pneumonia.monitoring.observations import Observations, Seen
from pneumonia.monitoring.periods import Period, split
from pneumonia.monitoring.wilson import wilson

ILL, WELL, UNSURE, NOBODY = Seen.PNEUMONIA, Seen.NO_PNEUMONIA, Seen.UNSURE, Seen.NOT_REVIEWED
# Probability, called neither, outside, seen; the threshold is 0.5.
FILMS = [
    (0.9, False, False, ILL),
    (0.6, True, False, ILL),
    (0.45, True, False, ILL),
    (0.1, False, False, ILL),
    (0.5, False, False, WELL),  # at the threshold is pneumonia
    (0.2, False, False, WELL),
    (0.4, True, False, WELL),
    (0.9, False, False, UNSURE),
    (0.9, False, False, NOBODY),
    (0.1, False, True, ILL),
]


def observations() -> Observations:
    probabilities, neither, outside, seen = (
        np.array(column) for column in zip(*FILMS, strict=True)
    )
    n = len(FILMS)
    return Observations(
        np.zeros(n, "datetime64[us]"), probabilities, np.full(n, 0.5), np.zeros(n), neither,
        outside, seen.astype(np.int8), np.full(n, np.nan),
    )  # fmt: skip


def test_every_film_is_counted_where_it_belongs() -> None:
    found = Agreement.of(observations())
    assert (found.readings, found.outside, found.reviewed, found.unsure) == (10, 1, 8, 1)
    assert found.sensitivity == Share(2, 4)
    assert found.specificity == Share(2, 3)
    assert found.missed == Share(1, 4)
    assert found.false_alarms == Share(1, 3)
    assert found.indeterminate == Share(3, 7)
    assert found.sensitivity.interval == wilson(2, 4)


def test_of_no_films_nothing_is_claimed() -> None:
    none = observations().where(np.zeros(len(FILMS), np.bool_))
    found = Agreement.of(none)
    assert found.readings == 0
    assert isnan(found.sensitivity.value)
    assert all(map(isnan, found.sensitivity.interval))


def test_weeks_begin_on_mondays_and_months_on_the_first() -> None:
    at = np.array(
        ["2026-03-01T23:59:59", "2026-03-02T00:00", "2026-03-08T12:00", "2025-12-31T23:00"],
        "datetime64[us]",
    )
    weeks = {begins: own.tolist() for begins, own in split(at, Period.WEEK)}
    assert weeks == {
        date(2025, 12, 29): [False, False, False, True],
        date(2026, 2, 23): [True, False, False, False],
        date(2026, 3, 2): [False, True, True, False],
    }
    months = [(begins, int(own.sum())) for begins, own in split(at, Period.MONTH)]
    assert months == [(date(2025, 12, 1), 1), (date(2026, 3, 1), 3)]
