"""A database that goes away under an open store, and a disk without room."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pneumonia.errors import ReadingNotFound, StorageUnavailable
from pneumonia.records import Reading, Store

PNG = b"\x89PNG\r\n\x1a\n any bytes at all"
Make = Callable[..., Reading]
GONE = "its database file was deleted or moved while it was in use"


def films(folder: Path) -> list[Path]:
    return [path for path in folder.glob("films/**/*") if path.is_file()]


@pytest.mark.parametrize("name", ["readings.sqlite3", "readings.sqlite3-wal"])
def test_a_deleted_database_is_noticed_and_nothing_is_acknowledged(
    store: Store, make_reading: Make, tmp_path: Path, name: str
) -> None:
    store.add(make_reading(), PNG)
    kept = films(tmp_path)
    (tmp_path / name).unlink()
    for ask in (lambda: store.add(make_reading(), PNG), store.check):
        with pytest.raises(StorageUnavailable, match=GONE):
            ask()
    assert films(tmp_path) == kept


def test_a_database_deleted_while_a_reading_is_stored_is_noticed(
    store: Store, make_reading: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    commit = Session.commit

    def delete_first(session: Session) -> None:
        (tmp_path / "readings.sqlite3").unlink()
        commit(session)

    monkeypatch.setattr(Session, "commit", delete_first)
    with pytest.raises(StorageUnavailable, match=GONE):
        store.add(make_reading(), PNG)
    assert films(tmp_path) == []


def test_a_database_that_is_put_back_or_restored_is_used_again(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    first, second, path = make_reading(), make_reading(), tmp_path / "readings.sqlite3"
    store.add(first, PNG)
    with sqlite3.connect(path) as live, sqlite3.connect(tmp_path / "backup") as backup:
        live.backup(backup)
    path.rename(tmp_path / "aside")
    with pytest.raises(StorageUnavailable):
        store.check()
    (tmp_path / "aside").rename(path)
    store.add(second, PNG)
    path.unlink()
    path.touch()  # an empty file is no database, and none is made of it
    with pytest.raises(StorageUnavailable):
        store.check()
    for name in ("-wal", "-shm", ""):
        Path(f"{path}{name}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup", path)
    assert store.get(first.id).id == first.id
    with pytest.raises(ReadingNotFound):
        store.get(second.id)
    store.add(second, PNG)


def without_room(times: int) -> Callable[[Session], None]:
    commit, left = Session.commit, [times]

    def fail(session: Session) -> None:
        if left[0]:
            left[0] -= 1
            cause = sqlite3.OperationalError("database or disk is full")
            cause.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise OperationalError("DELETE", {}, cause)
        commit(session)

    return fail


def test_deleting_on_a_full_disk_takes_the_films_own_room(
    store: Store, make_reading: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    monkeypatch.setattr(Session, "commit", without_room(1))
    store.delete(kept.id)
    assert films(tmp_path) == []
    with pytest.raises(ReadingNotFound):
        store.get(kept.id)


@pytest.mark.parametrize("at_the_next_start", [True, False])
def test_a_deletion_that_found_no_room_at_all_is_ended_later(
    store: Store,
    make_reading: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_the_next_start: bool,
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    with monkeypatch.context() as full:
        full.setattr(Session, "commit", without_room(2))
        with pytest.raises(StorageUnavailable):
            store.delete(kept.id)
    if at_the_next_start:
        store.close()
        store = Store(store._url, tmp_path)
        store.migrate()
    else:
        store.delete(kept.id)
    assert films(tmp_path) == []
    with pytest.raises(ReadingNotFound):
        store.get(kept.id)
    store.close()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs to mount")
def test_deleting_on_a_disk_that_is_really_full(make_reading: Make, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {disk} 2>/dev/null"):
        pytest.skip("mounting is not allowed here")
    try:
        store = Store(f"sqlite:///{disk / 'readings.sqlite3'}", disk)
        kept = make_reading()
        store.add(kept, PNG + bytes(200_000))
        with pytest.raises(OSError, match="No space"):
            (disk / "filler").write_bytes(bytes(2**21))
        store.delete(kept.id)
        assert films(disk) == []
        store.close()
    finally:
        os.system(f"umount {disk}")
