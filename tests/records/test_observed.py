"""Readings of one model come as arrays; reviewed ones with their last review."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pneumonia.analysis.finding import ModelRef, PopulationMatch, Quality
from pneumonia.monitoring.observations import Seen
from pneumonia.records import Opinion, Reading, Review, Reviews, Store, Worklist
from pneumonia.records.observed import UNSTATED, find_reviewed, observe

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
OLD, NEW = "cd" * 32, "ab" * 32


@pytest.fixture
def keep(store: Store, make_reading: Callable[..., Reading]) -> Callable[..., Reading]:
    """Keep a reading, an hour after the one before, its finding changed."""
    made: list[Reading] = []

    def keep(upload: str = "", synthetic: bool = False, **changes: object) -> Reading:
        reading = make_reading()
        reading = replace(
            reading,
            created_at=START + timedelta(hours=len(made)),
            finding=replace(reading.finding, **changes),  # type: ignore[arg-type]
            image=replace(reading.image, sha256=upload or f"{len(made):064x}"),
            synthetic=synthetic,
            reference=f"ref {len(made)}",
        )
        store.add(reading, b"a film")
        made.append(reading)
        return reading

    return keep


def review(store: Store, reading: Reading, *opinions: Opinion) -> None:
    for opinion in opinions:
        Reviews(store).add(reading.id, Review(START, "A", opinion))


def test_the_newest_weights_count_and_what_is_synthetic_or_deleted_does_not(
    store: Store, keep: Callable[..., Reading]
) -> None:
    assert observe(store, "default").model is None
    assert len(observe(store, "default").films) == 0
    keep(model=ModelRef("default", OLD))
    first = keep(
        quality=Quality(outlier_distance=0.25), population="child", probability=0.75, logit=1.5
    )
    second = keep(population_match=PopulationMatch.NO)
    keep(synthetic=True)
    gone = keep()
    keep(model=ModelRef("another", NEW))
    Worklist(store).remove([gone.id])
    review(store, first, Opinion.NO_PNEUMONIA, Opinion.PNEUMONIA)
    review(store, second, Opinion.UNSURE)

    found = observe(store, "default")
    films = found.films
    assert (found.model, found.by_other_weights) == (ModelRef("default", NEW), 1)
    assert films.at.tolist() == [one.created_at.replace(tzinfo=None) for one in (first, second)]
    assert (films.probabilities[0], films.logits[0]) == (0.75, 1.5)
    assert films.thresholds.tolist() == [2 / 3, 2 / 3]
    assert films.seen.tolist() == [Seen.PNEUMONIA, Seen.UNSURE]
    assert films.outside.tolist() == [False, True]
    assert films.indeterminate.tolist() == [True, True]
    assert films.distances[0] == 0.25
    assert np.isnan(films.distances[1])
    assert len(observe(store, "default", "child").films) == 1
    assert len(observe(store, "default", UNSTATED).films) == 1
    assert store.get(first.id).finding.quality.outlier_distance == 0.25


def test_reviewed_readings_come_with_their_last_review_the_last_first(
    store: Store, keep: Callable[..., Reading]
) -> None:
    first, second, _ = keep(population="adult"), keep(), keep()
    review(store, first, Opinion.PNEUMONIA)
    review(store, second, Opinion.PNEUMONIA)
    review(store, first, Opinion.UNSURE, Opinion.NO_PNEUMONIA)
    found = find_reviewed(store)
    assert [(one.id, one.opinion) for one in found] == [
        (first.id, Opinion.NO_PNEUMONIA),
        (second.id, Opinion.PNEUMONIA),
    ]
    assert found[0].upload == first.image.sha256
    assert (found[0].population, found[0].reference) == ("adult", "ref 0")
    assert found[0].logit == first.finding.logit
