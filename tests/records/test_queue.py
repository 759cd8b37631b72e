"""Films that arrived: written down before they are acknowledged, tried again, ended."""

import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pneumonia.errors import (
    DamagedImage,
    PeerUnreachable,
    QueueItemNotFound,
    ReceivedFileMissing,
    StorageUnavailable,
)
from pneumonia.records import Audit, Queue, QueueItem, Reading, Source, State, Store, queue
from pneumonia.records.audit import AuditQuery
from pneumonia.records.queue_item import TRIES, pause

KEY, FILM = "ab" * 32, b"Doe^Jane, as it came"
DAMAGED = DamagedImage("It is cut off.")
DOWN = PeerUnreachable("Nobody answers.")


@pytest.fixture
def films(store: Store, tmp_path: Path) -> Queue:
    return Queue(store, tmp_path)


@pytest.fixture
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    past = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + past

    def move(by: timedelta) -> None:
        nonlocal past
        past += by

    monkeypatch.setattr(queue, "datetime", Clock)
    return move


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in (folder / "queue").glob("*.film")]


def add(films: Queue, key: str = KEY) -> QueueItem:
    assert films.add(FILM, key, Source.C_STORE, "ORTHANC", "127.0.0.1")
    return films.page(list(State), limit=1)[0]


def states(films: Queue) -> dict[str, int]:
    return {state.value: count for state, count in films.counts().items() if count}


def test_a_film_goes_its_way_and_its_file_goes_at_the_end(
    films: Queue, store: Store, tmp_path: Path, make_reading: Callable[..., Reading]
) -> None:
    item = add(films)
    assert (item.source, item.peer, item.state) == (Source.C_STORE, "ORTHANC", State.RECEIVED)
    path = next((tmp_path / "queue").glob("*.film"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [taken.id for taken in films.take(State.RECEIVED, 9)] == [item.id]
    assert films.take(State.RECEIVED, 9) == []  # its next turn has not come
    assert films.data(item.id) == FILM
    store.add(make_reading(id=item.id), b"png")
    films.note_read(item.id)
    assert [taken.id for taken in films.take(State.READ, 9)] == [item.id]
    films.note_done(item.id, "PACS")
    (done,) = films.page([State.DONE], limit=9)
    assert (done.sent_to, done.has_reading) == ("PACS", True)
    assert files(tmp_path) == []
    sent = Audit(store).page(AuditQuery(action="results sent"))
    assert [(entry.reading_id, entry.subject) for entry in sent] == [(item.id, "PACS")]


def test_nothing_of_the_film_is_in_the_database(films: Queue, tmp_path: Path) -> None:
    add(films)
    with sqlite3.connect(tmp_path / "readings.sqlite3") as raw:
        (row,) = raw.execute("SELECT * FROM queue").fetchall()
    assert KEY in row
    assert not any("Doe" in str(value) for value in row)


def test_the_same_film_is_taken_once(
    films: Queue, store: Store, tmp_path: Path, make_reading: Callable[..., Reading]
) -> None:
    item = add(films)
    assert not films.add(FILM, KEY, Source.FOLDER)
    films.note_read(item.id)
    assert not films.add(FILM, KEY, Source.FOLDER)
    store.add(make_reading(id=item.id), b"png")
    films.note_done(item.id)
    assert not films.add(FILM, KEY, Source.FOLDER)
    assert files(tmp_path) == []
    store.delete(item.id)
    assert films.add(FILM, KEY, Source.FOLDER)  # whoever deleted it may send it again
    assert states(films) == {"received": 1}


def test_what_failed_is_taken_anew_when_it_is_sent_again(films: Queue, tmp_path: Path) -> None:
    item = add(films)
    films.note_failure(item.id, DAMAGED, for_good=True)
    assert films.add(b"whole this time", KEY, Source.C_STORE)
    assert files(tmp_path) == [b"whole this time"]
    assert states(films) == {"received": 1}


def test_of_many_that_send_the_same_at_once_one_is_first(films: Queue, tmp_path: Path) -> None:
    films.counts()
    gate, news = threading.Barrier(6), []

    def send() -> None:
        gate.wait()
        news.append(films.add(FILM, KEY, Source.C_STORE))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(news) == [False] * 5 + [True]
    assert files(tmp_path) == [FILM]


def test_file_and_row_are_on_the_disk_before_it_is_said(
    films: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fd) or real(fd))
    add(films)
    assert len(synced) == 2  # the file, and its name in the folder
    with films._store.session("ask") as session:
        assert session.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_left(
    films: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films.counts()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable, match="cannot write down what was received"):
        films.add(FILM, KEY, Source.C_STORE)
    assert files(tmp_path) == []
    assert states(films) == {}


def test_pauses_grow_and_end(films: Queue, move_clock: Callable[[timedelta], None]) -> None:
    item = add(films)
    waited = []
    for _ in range(TRIES):
        assert len(films.take(State.RECEIVED, 9)) == 1
        films.note_failure(item.id, DOWN, for_good=False)
        (now,) = films.page(list(State), limit=1)
        if now.state is State.FAILED:
            break
        waited.append(pause(now.attempts))
        move_clock(waited[-1] - timedelta(seconds=1))
        assert films.take(State.RECEIVED, 9) == []
        move_clock(timedelta(seconds=1.5))
    assert waited[:4] == [timedelta(seconds=s) for s in (5, 10, 20, 40)]
    assert max(waited) == timedelta(minutes=30)
    assert timedelta(days=2) < sum(waited, timedelta()) < timedelta(days=4)
    assert (now.state, now.code, now.detail) == (State.FAILED, DOWN.code, DOWN.detail)


def test_a_crash_between_the_reading_and_the_row_makes_no_second_reading(
    films: Queue, store: Store, make_reading: Callable[..., Reading]
) -> None:
    item = add(films)
    store.add(make_reading(id=item.id), b"png")
    assert films.take(State.RECEIVED, 9) == []
    assert [taken.id for taken in films.take(State.READ, 9)] == [item.id]


def test_people_try_again_and_give_up(films: Queue, store: Store, tmp_path: Path) -> None:
    one, other = add(films), add(films, "cd" * 32)
    for item in (one, other):
        films.note_failure(item.id, DAMAGED, for_good=True)
    assert films.retry() == 2
    assert states(films) == {"received": 2}
    films.note_failure(one.id, DAMAGED, for_good=True)
    assert films.give_up(one.id) == 1
    assert films.give_up(other.id) == 1  # one that waits, too
    assert files(tmp_path) == []
    (given_up, _) = films.page([State.GIVEN_UP], limit=9)[::-1]
    assert given_up.detail == DAMAGED.detail
    with pytest.raises(QueueItemNotFound):
        films.retry(one.id)
    told = [entry.action for entry in Audit(store).page(AuditQuery())]
    assert told == ["give up", "give up", "try again", "try again"]


def test_a_film_given_up_while_it_is_in_work_stays_given_up(films: Queue) -> None:
    item = add(films)
    films.take(State.RECEIVED, 1)
    films.give_up(item.id)
    films.note_read(item.id)
    films.note_failure(item.id, DOWN, for_good=False)
    assert states(films) == {"given up": 1}


def test_when_the_pacs_answers_again_nobody_waits_any_longer(films: Queue) -> None:
    item = add(films)
    films.note_read(item.id)
    for _ in range(2):
        films.take(State.READ, 1)
        films.note_failure(item.id, DOWN, for_good=False)
        films.hasten()
    assert len(films.take(State.READ, 1)) == 1


def test_one_process_works_through_the_queue(films: Queue, store: Store, tmp_path: Path) -> None:
    other = Queue(store, tmp_path)
    assert not other.is_worked
    with films.only_worker() as mine, other.only_worker() as others:
        assert (mine, others) == (True, False)
        assert other.is_worked
    assert not other.is_worked


def test_what_is_long_over_goes(
    films: Queue, tmp_path: Path, move_clock: Callable[[timedelta], None]
) -> None:
    item = add(films)
    films.note_failure(item.id, DAMAGED, for_good=True)
    stray = tmp_path / "queue" / f"{'0' * 32}.film"
    stray.write_bytes(b"never acknowledged")
    films.keep_house()
    assert len(files(tmp_path)) == 2
    move_clock(timedelta(days=31))
    films.keep_house()
    assert files(tmp_path) == []
    assert states(films) == {"given up": 1}
    move_clock(timedelta(days=31))
    films.keep_house()
    assert states(films) == {}


def test_a_file_that_a_restored_backup_does_not_hold_is_a_sentence(
    films: Queue, tmp_path: Path
) -> None:
    item = add(films)
    for path in (tmp_path / "queue").glob("*.film"):
        path.unlink()
    with pytest.raises(ReceivedFileMissing, match="Send the film again"):
        films.data(item.id)
