"""Readings of one model as arrays, for agreement and drift; and the films that were reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, DateTime, func, select, type_coerce

from pneumonia.analysis.finding import Label, ModelRef, PopulationMatch
from pneumonia.monitoring.observations import Observations, Seen
from pneumonia.records.review import Opinion
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow, ReviewRow

UNSTATED = "unknown"
"""In a filter: films of which nothing says whose they are."""

_SEEN = {
    None: Seen.NOT_REVIEWED,
    Opinion.UNSURE.value: Seen.UNSURE,
    Opinion.NO_PNEUMONIA.value: Seen.NO_PNEUMONIA,
    Opinion.PNEUMONIA.value: Seen.PNEUMONIA,
}


@dataclass(frozen=True, slots=True)
class Observed:
    """What a model said here.

    Attributes
    ----------
    model
        Its id, with the weights of its newest reading; None where it has made none.
    films
        The readings by these weights.
    by_other_weights
        Readings under the same id by other weights: left out.
    """

    model: ModelRef | None
    films: Observations
    by_other_weights: int = 0


@dataclass(frozen=True, slots=True)
class ReviewedReading:
    """A reading and its last review, as far as an export tells of them.

    Attributes
    ----------
    upload
        SHA-256 of the uploaded bytes: two readings of one film have the same.
    """

    id: str
    upload: str
    opinion: Opinion
    model: ModelRef
    logit: float
    probability: float
    population: str
    is_outside: bool
    reference: str


def observe(store: Store, model_id: str, population: str = "") -> Observed:
    """All readings of a model, the oldest first, but for synthetic and deleted ones.

    Raises what :class:`Store` raises.

    Parameters
    ----------
    population
        Only films of it, by its name in the card, or :data:`UNSTATED`.
    """
    row = ReadingRow
    of_model = [row.model_id == model_id, *_counted()]
    if population:
        of_model.append(_is_of(population))
    by_weights = (
        select(row.model_sha256, func.max(row.created_at), func.count())
        .where(*of_model)
        .group_by(row.model_sha256)
    )
    columns = (
        type_coerce(row.created_at, DateTime()),  # without a zone, as numpy has it
        row.probability, row.threshold, row.logit, row.label,
        row.population_match, row.opinion, row.outlier_distance,
    )  # fmt: skip
    with store.session("look through the readings") as session:
        weights = session.execute(by_weights).all()
        if not weights:
            return Observed(None, _to_arrays([]))
        newest = max(weights, key=lambda one: one[1])[0]
        query = select(*columns).where(*of_model, row.model_sha256 == newest)
        rows = session.execute(query.order_by(row.created_at)).all()
    return Observed(
        ModelRef(model_id, newest),
        _to_arrays(rows),
        sum(number for sha256, _, number in weights if sha256 != newest),
    )


def _counted() -> list[ColumnElement[bool]]:
    return [ReadingRow.deleted_at.is_(None), ~ReadingRow.synthetic]


def _is_of(population: str) -> ColumnElement[bool]:
    if population == UNSTATED:
        return ReadingRow.population.is_(None)
    return ReadingRow.population == population


def _to_arrays(rows: Sequence[Any]) -> Observations:
    at, probabilities, thresholds, logits, labels, matches, opinions, distances = (
        zip(*rows, strict=True) if rows else [()] * 8
    )
    return Observations(
        at=np.array(at, "datetime64[us]"),
        probabilities=np.array(probabilities, np.float64),
        thresholds=np.array(thresholds, np.float64),
        logits=np.array(logits, np.float64),
        indeterminate=np.array([label == Label.INDETERMINATE for label in labels], np.bool_),
        outside=np.array([match == PopulationMatch.NO for match in matches], np.bool_),
        seen=np.array([_SEEN[opinion] for opinion in opinions], np.int8),
        distances=np.array(distances, np.float64),  # None becomes nan
    )


def find_reviewed(store: Store) -> list[ReviewedReading]:
    """Every reading that has a review, the one that was reviewed last first.

    Synthetic and deleted ones are left out. Raises what :class:`Store` raises.
    """
    row, last = ReadingRow, func.max(ReviewRow.id)
    query = (
        select(
            row.id, row.image_sha256, row.opinion, row.model_id, row.model_sha256, row.logit,
            row.probability, row.population, row.population_match, row.reference,
        )
        .join(ReviewRow, ReviewRow.reading_id == row.id)
        .where(*_counted(), row.opinion.is_not(None))
        .group_by(row.id)
        .order_by(last.desc())
    )  # fmt: skip
    with store.session("look through the reviews") as session:
        return [
            ReviewedReading(
                id=one.id,
                upload=one.image_sha256,
                opinion=Opinion(one.opinion),
                model=ModelRef(one.model_id, one.model_sha256),
                logit=one.logit,
                probability=one.probability,
                population=one.population or "",
                is_outside=one.population_match == PopulationMatch.NO,
                reference=one.reference or "",
            )
            for one in session.execute(query)
        ]
