"""Which readings a list shows, in which order, and where on the list one stands. No SQL."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from pneumonia.analysis.finding import PopulationMatch
from pneumonia.records.reading import Reading


class Verdict(StrEnum):
    """What a list shows of a reading: its label, unless the film lies outside what is known."""

    PNEUMONIA = "pneumonia"
    INDETERMINATE = "indeterminate"
    NORMAL = "normal"
    OUTSIDE = "outside"


class ReviewState(StrEnum):
    """What the last review said; ``any`` and ``none``: whether there is one."""

    NONE = "none"
    ANY = "any"
    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"


class Sort(StrEnum):
    """``uncertain``: the nearest to their operating point first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    HIGHEST = "highest"
    LOWEST = "lowest"
    UNCERTAIN = "uncertain"

    @property
    def is_by_time(self) -> bool:
        return self in (Sort.NEWEST, Sort.OLDEST)

    @property
    def falls(self) -> bool:
        return self in (Sort.NEWEST, Sort.HIGHEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filters and an order; what is left empty filters nothing.

    Attributes
    ----------
    reference
        Any part of it, whatever the case.
    since, until
        Aware; read at or after the one, before the other.
    batch
        The readings that were sent together.
    deleted
        Those that were deleted and can be brought back, instead of all others.
    """

    reference: str = ""
    verdicts: tuple[Verdict, ...] = ()
    match: PopulationMatch | None = None
    model: str = ""
    since: datetime | None = None
    until: datetime | None = None
    batch: str = ""
    review: ReviewState | None = None
    deleted: bool = False
    sort: Sort = Sort.NEWEST


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading stands in an order: what it is sorted by, then its id.

    Pages begin and end at places and not at numbers, so that a list that grows meanwhile shows no
    reading twice and leaves none out, and the last page costs what the first one does.
    """

    value: datetime | float
    id: str

    @classmethod
    def of(cls, reading: Reading, sort: Sort) -> Self:
        if sort.is_by_time:
            return cls(reading.created_at, reading.id)
        finding = reading.finding
        value = finding.margin if sort is Sort.UNCERTAIN else finding.probability
        return cls(value, reading.id)

    @classmethod
    def parse(cls, text: str, sort: Sort) -> Self:
        """Back from its text. Raises ValueError for what is no place in this order."""
        value, _, id_ = text.partition("~")
        if not id_.isalnum():
            raise ValueError(text)
        if sort.is_by_time:
            moment = datetime.fromisoformat(value)
            return cls(moment if moment.tzinfo else moment.replace(tzinfo=UTC), id_)
        return cls(float(value), id_)

    def __str__(self) -> str:
        if isinstance(self.value, datetime):
            moment = self.value.astimezone(UTC).replace(tzinfo=None)
            return f"{moment.isoformat(timespec='microseconds')}~{self.id}"
        return f"{float(self.value)!r}~{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some readings of a list, in its order.

    Attributes
    ----------
    previous, next
        The place before which, and after which, more readings stand; None at the list's ends.
    """

    readings: list[Reading]
    previous: Place | None
    next: Place | None
