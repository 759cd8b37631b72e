"""Readings deleted by age, really; films without a row swept, young ones left."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pneumonia.errors import BadParameter, StorageUnavailable
from pneumonia.records import Reading, Store
from pneumonia.records.tables import ReadingRow
from pneumonia.records.worklist import KEPT, Worklist
from pneumonia.retention import keep_house, parse_age, purge, sweep
from tests.records.conftest import make_reading, store

__all__ = ["make_reading", "store"]
Make = Callable[..., Reading]
PNG = b"\x89PNG\r\n\x1a\n any bytes at all"


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("12h", 0.5), ("2w", 14), (" 1 D ", 1)])
def test_an_age_is_hours_days_or_weeks(text: str, days: float) -> None:
    assert parse_age(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "90", "0d", "-3d", "d", "90days", "1.5d", "1e3d", "9999999d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="such as 12h, 90d or 2w"):
        parse_age(text)


def made(make_reading: Make, days_ago: float, reference: str = "") -> Reading:
    return make_reading(
        created_at=datetime.now(UTC) - timedelta(days=days_ago), reference=reference
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("films/*/*")}


def test_what_is_older_is_gone_and_can_be_read_nowhere(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    old, young = made(make_reading, 91, "Mrs Old, 1937"), made(make_reading, 89, "Mr Young")
    for reading in (old, young):
        store.add(reading, PNG)
    assert purge(store, timedelta(days=90)) == 1
    assert store.find([old.id, young.id])[0].id == young.id
    assert files(tmp_path) == {f"{young.id}.png"}
    # Not in freed pages, not in the log: the database is still open, as in a server.
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("readings.sqlite3*"))
    assert b"Mr Young" in kept
    assert b"Mrs Old" not in kept


def test_a_disk_that_fails_is_a_sentence_and_what_was_deleted_stays_so(
    store: Store, make_reading: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (93, 92, 91):
        store.add(made(make_reading, days), PNG)
    delete, left = Store.delete, [1]

    def fail(own: Store, reading_id: str) -> None:
        if not left[0]:
            raise StorageUnavailable("The server cannot delete the reading.")
        left[0] -= 1
        delete(own, reading_id)

    monkeypatch.setattr(Store, "delete", fail)
    with pytest.raises(StorageUnavailable):
        purge(store, timedelta(days=90))
    assert len(files(tmp_path)) == 2


def age(path: Path, hours: float) -> None:
    at = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    os.utime(path, (at, at))


def crash_while_storing(folder: Path, reading: Reading, at: str) -> None:
    """In a process of its own, which dies before the film, before the row, or before the answer."""
    child = os.fork()
    if not child:
        commit = Session.commit  # the parent's store, and its connections, are not touched here
        match at:
            case "film":
                Path.replace = lambda *_: os._exit(9)  # type: ignore[method-assign]
            case "row":
                Session.commit = lambda *_: os._exit(9)  # type: ignore[method-assign]
            case "answer":
                Session.commit = lambda own: (commit(own), os._exit(9))  # type: ignore[assignment]
        try:
            Store(f"sqlite:///{folder / 'readings.sqlite3'}", folder).add(reading, PNG)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize(("at", "is_kept"), [("film", False), ("row", False), ("answer", True)])
def test_what_a_crash_left_is_swept_once_it_is_settled(
    store: Store, make_reading: Make, tmp_path: Path, at: str, is_kept: bool
) -> None:
    cut_off, kept = made(make_reading, 1), made(make_reading, 1)
    store.add(kept, PNG)
    crash_while_storing(tmp_path, cut_off, at)
    left = files(tmp_path)
    assert len(left) == 3
    assert sweep(store) == 0  # it may be on its way in another process
    assert files(tmp_path) == left
    for path in tmp_path.glob("films/*/.*"):
        age(path, 2)
    assert sweep(store) == (not is_kept)
    expected = [kept, cut_off] if is_kept else [kept]
    assert files(tmp_path) == {f"{reading.id}.png" for reading in expected}
    assert [one.id for one in store.find([kept.id, cut_off.id])] == [one.id for one in expected]


def test_films_of_a_database_that_is_not_here_today_are_left_alone(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    store.add(made(make_reading, 1), PNG)
    kept = files(tmp_path)
    for path in tmp_path.glob("films/*/*"):
        age(path, 1000)
    other = Store(f"sqlite:///{tmp_path / 'empty.sqlite3'}", tmp_path)
    assert sweep(other) == 0
    other.close()
    assert files(tmp_path) == kept


@pytest.mark.parametrize(("keep_days", "left"), [(0, 2), (90, 1)])
def test_the_house_is_kept_without_being_asked_where_days_are_given(
    store: Store, make_reading: Make, keep_days: int, left: int
) -> None:
    readings = [made(make_reading, days) for days in (91, 1)]
    for reading in readings:
        store.add(reading, PNG)
    over = threading.Event()
    over.set()  # one round
    keep_house(store, keep_days, over)
    assert len(store.find([reading.id for reading in readings])) == left


def test_what_was_deleted_from_the_worklist_goes_for_good(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    kept, gone = make_reading(), make_reading()
    for reading in (kept, gone):
        store.add(reading, PNG)
    worklist = Worklist(store)
    assert worklist.remove([gone.id]) == 1
    with store.session("age") as session:
        session.execute(
            update(ReadingRow)
            .where(ReadingRow.id == gone.id)
            .values(deleted_at=datetime.now(UTC) - KEPT - timedelta(minutes=1))
        )
        session.commit()
    over = threading.Event()
    over.set()
    keep_house(store, 0, over)
    assert worklist.bring_back([gone.id]) == 0
    assert [path.stem for path in tmp_path.glob("films/*/*.png")] == [kept.id]


def test_keeping_house_outlives_a_database_that_is_gone(store: Store, tmp_path: Path) -> None:
    store.check()
    (tmp_path / "readings.sqlite3").unlink()
    over = threading.Event()
    over.set()
    keep_house(store, 90, over)
