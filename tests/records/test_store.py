"""Readings come back as they went in, and row and picture live and die together."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from pneumonia.errors import BadSetting, RadiographMissing, ReadingNotFound, StorageUnavailable
from pneumonia.records import Reading, Store

PNG = b"\x89PNG\r\n\x1a\n any bytes at all"
Make = Callable[..., Reading]


def radiograph_files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.glob("films/**/*") if p.is_file())


@pytest.mark.parametrize("band", [None, (0.1 + 0.2, 0.7), (0.0, 0.0)])
def test_a_reading_comes_back_exactly(store: Store, make_reading: Make, band: object) -> None:
    kept = make_reading(band)
    store.add(kept, PNG)
    found = store.get(kept.id)

    assert (found.id, found.created_at, found.image) == (kept.id, kept.created_at, kept.image)
    assert found.created_at.tzinfo is UTC
    mine, theirs = kept.finding, found.finding
    for name in (
        *("label", "probability", "logit", "operating_point", "model", "quality", "outline"),
        "etiology",
    ):
        assert getattr(theirs, name) == getattr(mine, name), name
    assert theirs.confidence == mine.confidence
    assert theirs.activation.full_scale == mine.activation.full_scale
    assert theirs.activation.geometry == mine.activation.geometry


def test_a_reading_without_lungs_has_none_afterwards(store: Store, make_reading: Make) -> None:
    kept = make_reading()
    kept = replace(kept, finding=replace(kept.finding, outline=()))
    store.add(kept, PNG)
    assert store.get(kept.id).finding.outline == ()


def test_a_reading_without_a_pattern_has_none_afterwards(store: Store, make_reading: Make) -> None:
    kept = make_reading()
    kept = replace(kept, finding=replace(kept.finding, etiology=None))
    store.add(kept, PNG)
    assert store.get(kept.id).finding.etiology is None


def test_the_map_comes_back_bit_for_bit(store: Store, make_reading: Make) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    mine, theirs = kept.finding.activation.values, store.get(kept.id).finding.activation.values
    assert theirs.dtype == np.float32
    assert theirs.shape == (5, 7)
    assert theirs.tobytes() == mine.tobytes()
    assert np.signbit(theirs[0, 1])  # minus zero stayed minus zero


def test_a_thumbnail_is_kept_with_its_film_and_goes_with_it(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    assert store.thumbnail(kept.id) is None
    store.keep_thumbnail(kept.id, b"a small one")
    assert store.thumbnail(kept.id) == b"a small one"
    store.delete(kept.id)
    assert radiograph_files(tmp_path) == []
    store.keep_thumbnail(kept.id, b"a small one")  # by somebody who was still at it
    assert radiograph_files(tmp_path) == []
    with pytest.raises(ReadingNotFound):
        store.thumbnail(kept.id)


def test_a_thumbnail_of_a_film_that_is_gone_is_not_shown(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    store.keep_thumbnail(kept.id, b"a small one")
    next(tmp_path.glob("films/*/*.png")).unlink()
    assert store.thumbnail(kept.id) is None


def test_another_time_zone_is_kept_as_the_same_moment(store: Store, make_reading: Make) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    kept = make_reading(created_at=datetime(2024, 6, 1, 3, 15, tzinfo=zone))
    store.add(kept, PNG)
    assert store.get(kept.id).created_at.isoformat() == "2024-05-31T21:45:00+00:00"


def test_a_second_store_sees_what_the_first_kept(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    other = Store(f"sqlite:///{tmp_path / 'readings.sqlite3'}", tmp_path)
    assert other.get(kept.id).image == kept.image
    assert other.radiograph(kept.id) == PNG
    other.close()


def test_the_radiograph_lies_under_the_first_two_digits(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    assert radiograph_files(tmp_path) == [f"films/{kept.id[:2]}/{kept.id}.png"]
    assert store.radiograph(kept.id) == PNG
    assert (tmp_path / "films").stat().st_mode & 0o077 == 0


def test_a_row_that_fails_leaves_no_radiograph(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    broken = make_reading()
    object.__setattr__(broken.finding, "logit", None)
    with pytest.raises(TypeError):
        store.add(broken, PNG)
    assert radiograph_files(tmp_path) == []
    with pytest.raises(ReadingNotFound):
        store.get(broken.id)


def test_a_database_that_refuses_the_row_leaves_no_radiograph(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    store.migrate()
    with sqlite3.connect(tmp_path / "readings.sqlite3") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON readings "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(StorageUnavailable, match=r"^The server cannot store the reading: "):
        store.add(make_reading(), PNG)
    assert radiograph_files(tmp_path) == []


def test_a_radiograph_that_cannot_be_written_leaves_no_row(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    (tmp_path / "films").write_text("a file where the folder should be")
    kept = make_reading()
    with pytest.raises(StorageUnavailable, match=r"^The server cannot store the reading: "):
        store.add(kept, PNG)
    with pytest.raises(ReadingNotFound):
        store.get(kept.id)


def test_delete_removes_row_and_radiograph(
    store: Store, make_reading: Make, tmp_path: Path
) -> None:
    gone, stays = make_reading(), make_reading()
    store.add(gone, PNG)
    store.add(stays, PNG)
    store.delete(gone.id)
    assert radiograph_files(tmp_path) == [f"films/{stays.id[:2]}/{stays.id}.png"]
    for ask in (store.get, store.radiograph, store.delete):
        with pytest.raises(ReadingNotFound, match=f"^There is no reading {gone.id}"):
            ask(gone.id)
    assert store.get(stays.id).id == stays.id


def fail(*_: object, **__: object) -> None:
    raise OSError("the disk says no")


def test_a_radiograph_that_cannot_be_removed_is_not_forgotten(
    store: Store, make_reading: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fail)
        with pytest.raises(StorageUnavailable):
            store.delete(kept.id)
    with pytest.raises(ReadingNotFound):
        store.radiograph(kept.id)  # out of reach at once
    store.delete(kept.id)  # trying again is no 404
    assert radiograph_files(tmp_path) == []
    with pytest.raises(ReadingNotFound):
        store.delete(kept.id)


def test_a_reading_that_cannot_be_deleted_keeps_its_radiograph(
    store: Store, make_reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        with pytest.raises(StorageUnavailable):
            store.delete(kept.id)
    with monkeypatch.context() as broken:
        broken.setattr(Session, "commit", fail)
        with pytest.raises(StorageUnavailable):
            store.delete(kept.id)
    assert store.radiograph(kept.id) == PNG


@pytest.mark.parametrize("row_is_gone", [True, False])
def test_a_deletion_cut_off_is_settled_at_the_next_start(
    store: Store, make_reading: Make, tmp_path: Path, row_is_gone: bool
) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    store._radiographs.set_aside(kept.id)
    if row_is_gone:
        with create_engine(store._url).begin() as connection:
            connection.execute(text("DELETE FROM readings"))
    again = Store(store._url, tmp_path)
    again.migrate()
    if row_is_gone:
        assert radiograph_files(tmp_path) == []
    else:
        assert again.radiograph(kept.id) == PNG


def test_no_free_connection_is_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise PoolTimeout("QueuePool limit of size 5 overflow 10 reached")

    store.check()
    monkeypatch.setattr(Session, "execute", exhausted)
    with pytest.raises(StorageUnavailable, match=r"^The server cannot reach the database: "):
        store.check()


def test_a_missing_radiograph_is_named(store: Store, make_reading: Make, tmp_path: Path) -> None:
    kept = make_reading()
    store.add(kept, PNG)
    (tmp_path / "films" / kept.id[:2] / f"{kept.id}.png").unlink()
    with pytest.raises(RadiographMissing, match=f"^The picture of reading {kept.id} is missing"):
        store.radiograph(kept.id)
    assert store.get(kept.id).id == kept.id
    store.delete(kept.id)  # what is left of it can still be removed
    with pytest.raises(ReadingNotFound):
        store.get(kept.id)


def test_find_keeps_the_order_and_leaves_out_what_is_gone(store: Store, make_reading: Make) -> None:
    first, second = make_reading(), make_reading()
    store.add(first, PNG)
    store.add(second, PNG)
    asked = [second.id, "0" * 32, first.id]
    assert [found.id for found in store.find(asked)] == [second.id, first.id]
    assert store.find([]) == []


@pytest.mark.parametrize(
    "bad", ["", "x", "../../etc/passwd", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "é" * 32]
)
def test_what_is_not_an_id_is_never_made_a_path(store: Store, bad: str) -> None:
    for ask in (store.get, store.radiograph, store.delete):
        with pytest.raises(ReadingNotFound, match=r"^There is no reading "):
            ask(bad)


def test_a_store_writes_nothing_before_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    Store(f"sqlite:///{folder / 'readings.sqlite3'}", folder)
    assert not folder.exists()


def test_an_unusable_folder_is_a_sentence(tmp_path: Path, make_reading: Make) -> None:
    (tmp_path / "data").write_text("a file")
    store = Store(f"sqlite:///{tmp_path / 'data' / 'x.sqlite3'}", tmp_path / "data")
    with pytest.raises(StorageUnavailable, match=r"^The server cannot prepare the database: "):
        store.get("0" * 32)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "PNEUMONIA_DATABASE_URL cannot be used"),
        ("nosuch://host/name", "PNEUMONIA_DATABASE_URL cannot be used"),
        ("postgresql+nodriver://host/name", "PNEUMONIA_DATABASE_URL cannot be used"),
        ("sqlite://", "an SQLite database in memory"),
        ("sqlite:///:memory:", "an SQLite database in memory"),
    ],
)
def test_an_address_that_cannot_work_is_refused(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        Store(url, tmp_path).migrate()
