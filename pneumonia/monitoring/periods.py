"""Weeks and months, in UTC."""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pneumonia.monitoring.observations import Bools


class Period(StrEnum):
    """How long one point of a curve is; weeks begin on Mondays."""

    MONTH = "month"
    WEEK = "week"


def split(at: NDArray[np.datetime64], period: Period) -> Iterator[tuple[date, Bools]]:
    """The first day of each period that has a moment, in order, and which of the n are in it.

    Parameters
    ----------
    at
        datetime64 (n,), in UTC.
    """
    if period is Period.MONTH:
        begins = at.astype("datetime64[M]").astype("datetime64[D]")
    else:
        days = at.astype("datetime64[D]")
        begins = days - (days.astype(np.int64) + 3) % 7  # the first of January 1970 was a Thursday
    for first in np.unique(begins):
        yield first.item(), begins == first
