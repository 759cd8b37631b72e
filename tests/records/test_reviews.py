"""Reviews are added and never changed; the last one counts; they go with their reading alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import func, select

from pneumonia.errors import ReadingNotFound
from pneumonia.records import Opinion, OtherFinding, Reading, Review, Reviews, Store, Worklist
from pneumonia.records.tables import ReviewRow
from tests.records.test_migrations import HEAD, move

MOMENT = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
FIRST = Review(
    MOMENT,
    "A. Åberg",
    Opinion.PNEUMONIA,
    (OtherFinding.EFFUSION, OtherFinding.OTHER),
    "Left base.\nCompare with the last film.",
)
SECOND = Review(MOMENT, "B", Opinion.UNSURE)


@pytest.fixture
def kept(store: Store, make_reading: Callable[..., Reading]) -> Reading:
    reading = make_reading()
    store.add(reading, b"a film")
    return reading


def rows(store: Store) -> int:
    with store.session("count reviews") as session:
        return session.scalar(select(func.count()).select_from(ReviewRow)) or 0


def test_the_history_keeps_every_review_and_the_last_one_counts(
    store: Store, kept: Reading
) -> None:
    reviews = Reviews(store)
    assert reviews.history(kept.id) == []
    assert store.get(kept.id).opinion is None
    reviews.add(kept.id, FIRST)
    reviews.add(kept.id, SECOND)
    assert reviews.history(kept.id) == [SECOND, FIRST]
    assert store.get(kept.id).opinion is Opinion.UNSURE


def test_a_reading_that_is_not_there_has_no_reviews(store: Store, kept: Reading) -> None:
    reviews = Reviews(store)
    Worklist(store).remove([kept.id])
    for reading_id in (kept.id, "f" * 32, "../x"):
        with pytest.raises(ReadingNotFound, match="to review"):
            reviews.add(reading_id, FIRST)
    assert rows(store) == 0


def test_reviews_go_with_their_reading(
    store: Store, kept: Reading, make_reading: Callable[..., Reading]
) -> None:
    other = make_reading()
    store.add(other, b"a film")
    for reading in (kept, other):
        Reviews(store).add(reading.id, FIRST)
    store.delete(kept.id)
    assert rows(store) == 1
    assert Reviews(store).history(other.id) == [FIRST]


def test_reviews_outlive_a_migration_that_makes_their_readings_table_anew(
    tmp_path: Path, make_reading: Callable[..., Reading]
) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    store, kept = Store(url, tmp_path), make_reading()
    store.add(kept, b"a film")
    Reviews(store).add(kept.id, FIRST)

    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from pneumonia.records.database import _alone

    with store._engine.connect() as connection, _alone(connection):
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("readings", recreate="always"):
            pass
    assert Reviews(store).history(kept.id) == [FIRST]
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    move(url, "0007", command.downgrade)
    move(url, HEAD, command.upgrade)
    assert store.get(kept.id).opinion is None
