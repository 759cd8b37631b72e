"""Agreement with the reviewers, and drift, in words and in JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import ModelRef
from pneumonia.monitoring.agreement import Agreement, Share
from pneumonia.monitoring.drift import (
    REFERENCE,
    Comparison,
    Drift,
    Shift,
    find_drift,
    find_reference,
)
from pneumonia.monitoring.observations import Bools, Floats, Observations
from pneumonia.monitoring.periods import Period, split
from pneumonia.phrases import phrase
from pneumonia.records.observed import Observed

SHIFTS = {
    Shift.TOO_FEW: phrase("Too few films to say"),
    Shift.NONE: phrase("As the first films"),
    Shift.PREVALENCE: phrase("More or fewer pneumonias: other patients"),
    Shift.COVARIATE: phrase("The pictures differ: other equipment, or another kind of patient"),
    Shift.SCORES: phrase("The scores differ, and it cannot be told why: look at these films"),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Lower quartile, median and upper quartile of a figure, in [0, 1]."""

    low: float
    value: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> "Spread | None":
        """None where no film has the figure."""
        found = values[np.isfinite(values)]
        return cls(*map(float, np.percentile(found, (25, 50, 75)))) if len(found) else None


@dataclass(frozen=True, slots=True)
class PeriodOfUse:
    """A week or month, from its first day on; spreads are None where no film has the figure."""

    begins: date
    agreement: Agreement
    drift: Drift
    probabilities: Spread | None
    distances: Spread | None


@dataclass(frozen=True, slots=True)
class Reference:
    """The films that later ones are compared with: how many, and the first and the last day."""

    films: int
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Summary:
    """All that the page and the API say of a model.

    Attributes
    ----------
    reference
        None while there are fewer than :data:`REFERENCE` films.
    known
        Films that count towards the reference so far.
    """

    model: ModelRef | None
    by_other_weights: int
    agreement: Agreement
    periods: list[PeriodOfUse]
    reference: Reference | None
    known: int


def summarise(observed: Observed, chosen: Bools, period: Period) -> Summary:
    """Agreement and drift of the chosen readings; the reference is of all of them.

    Parameters
    ----------
    chosen
        bool (n,).
    """
    films = observed.films
    parts = [(begins, own & chosen) for begins, own in split(films.at, period)]
    parts = [(begins, own) for begins, own in parts if own.any()]
    drifts = find_drift(films, [own for _, own in parts])
    return Summary(
        model=observed.model,
        by_other_weights=observed.by_other_weights,
        agreement=Agreement.of(films.where(chosen)),
        periods=[
            _period(begins, films.where(own), drift)
            for (begins, own), drift in zip(parts, drifts, strict=True)
        ],
        reference=_reference(films),
        known=int((~films.outside).sum()),
    )


def _period(begins: date, films: Observations, drift: Drift) -> PeriodOfUse:
    known = films.where(~films.outside)
    spreads = Spread.of(known.probabilities), Spread.of(known.distances)
    return PeriodOfUse(begins, Agreement.of(films), drift, *spreads)


def _reference(films: Observations) -> Reference | None:
    first = find_reference(films, films.logits)
    if len(first) < REFERENCE:
        return None
    days: NDArray[np.datetime64] = films.at[first[[0, -1]]].astype("datetime64[D]")
    return Reference(len(first), *days.tolist())


def describe_summary(summary: Summary) -> dict[str, Any]:
    """The body of ``/api/v1/agreement``; None where a figure is not defined."""
    model, reference = summary.model, summary.reference
    return {
        "model": {"id": model.id, "sha256": model.sha256} if model else None,
        "readings_by_other_weights": summary.by_other_weights,
        "agreement": _describe_agreement(summary.agreement),
        "reference": reference
        and {
            "films": reference.films,
            "since": reference.since.isoformat(),
            "until": reference.until.isoformat(),
        },
        "periods": [
            {
                "begins": one.begins.isoformat(),
                "agreement": _describe_agreement(one.agreement),
                "drift": {
                    "shift": one.drift.shift.value,
                    "scores": _describe_comparison(one.drift.scores),
                    "distances": _describe_comparison(one.drift.distances),
                },
            }
            for one in summary.periods
        ],
    }


def _describe_agreement(agreement: Agreement) -> dict[str, Any]:
    counts = ("readings", "outside", "reviewed", "unsure")
    shares = ("sensitivity", "specificity", "missed", "false_alarms", "indeterminate")
    return {name: getattr(agreement, name) for name in counts} | {
        name: _describe_share(getattr(agreement, name)) for name in shares
    }


def _describe_share(share: Share) -> dict[str, Any]:
    if not share.n:
        return {"count": 0, "n": 0, "value": None, "ci95": None}
    return {
        "count": share.count,
        "n": share.n,
        "value": round(share.value, 4),
        "ci95": [round(end, 4) for end in share.interval],
    }


def _describe_comparison(one: Comparison | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "n": one.n,
        "difference": round(one.difference, 4),
        "p": one.p,
        "adjusted_difference": round(one.adjusted, 4),
        "adjusted_p": one.adjusted_p,
        "estimated_prevalence": round(one.prevalence, 4),
    }


def find_alarms(periods: Sequence[PeriodOfUse]) -> list[PeriodOfUse]:
    """The periods whose films differ from the first ones."""
    return [one for one in periods if one.drift.shift not in (Shift.NONE, Shift.TOO_FEW)]


Point = tuple[date, float | None, float | None, float | None, bool]
"""Of a chart: a period's first day, low, value and high in [0, 1], and whether it is an alarm."""


def chart(summary: Summary) -> dict[str, list[Point]]:
    """By its name, each curve: rates with their intervals, and the middle half of a figure."""
    curves: dict[str, list[Point]] = {}
    alarms = find_alarms(summary.periods)
    for one in summary.periods:
        for rate in ("sensitivity", "specificity"):
            share: Share = getattr(one.agreement, rate)
            low, high = share.interval
            figures = (low, share.value, high) if share.n else (None, None, None)
            curves.setdefault(rate, []).append((one.begins, *figures, False))
        for figure in ("probabilities", "distances"):
            spread: Spread | None = getattr(one, figure)
            figures = (spread.low, spread.value, spread.high) if spread else (None, None, None)
            curves.setdefault(figure, []).append((one.begins, *figures, one in alarms))
    return curves
