"""Films encrypted at rest: what lies on the disk, which key opens it, and how keys are changed."""

import base64
import json
import secrets
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumonia.errors import FilmDamaged, FilmLocked
from pneumonia.records import Reading, Store
from pneumonia.records.audit import Audit, AuditQuery
from pneumonia.records.backup import write_backup
from pneumonia.records.film_keys import MAGIC, FilmKeys, key_of
from pneumonia.records.key_rotation import rotate_keys
from pneumonia.records.restore import restore_backup

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
SMALL = b"\x89PNG\r\n\x1a\nsmall"
Make = Callable[..., Reading]


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "film.key"
    file.write_text(new_key() + "\n")
    return file


def open_store(tmp_path: Path, key_file: Path | None) -> Store:
    var = tmp_path / "var"
    return Store(f"sqlite:///{var / 'readings.sqlite3'}", var, FilmKeys(key_file))


def keep(store: Store, reading: Reading) -> str:
    store.add(reading, PNG)
    store.keep_thumbnail(reading.id, SMALL)
    return reading.id


def on_disk(tmp_path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (tmp_path / "var" / "films").rglob("*") if p.is_file()}


def assert_kept(store: Store, reading_id: str) -> None:
    assert store.radiograph(reading_id) == PNG
    assert store.thumbnail(reading_id) == SMALL


def test_nothing_of_a_film_lies_open_on_the_disk(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    store = open_store(tmp_path, key_file)
    ids = [keep(store, make_reading()) for _ in range(2)]
    files = on_disk(tmp_path)
    assert sorted(files) == sorted(f"{i}.{end}" for i in ids for end in ("png", "thumbnail"))
    for data in files.values():
        assert data.startswith(MAGIC)
        assert b"PNG" not in data
        assert PNG[100:200] not in data
    assert len(set(files.values())) == 4  # a nonce of its own each, though the films are the same
    for reading_id in ids:
        assert_kept(store, reading_id)


def test_without_a_key_films_are_kept_as_they_are(tmp_path: Path, make_reading: Make) -> None:
    store = open_store(tmp_path, None)
    reading_id = keep(store, make_reading())
    assert on_disk(tmp_path)[f"{reading_id}.png"] == PNG
    assert_kept(store, reading_id)


def test_films_of_before_there_was_a_key_stay_readable(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    reading_id = keep(open_store(tmp_path, None), make_reading())
    assert_kept(open_store(tmp_path, key_file), reading_id)


@pytest.mark.parametrize(
    "text", [None, "", "short", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=", "é", "another"]
)
def test_without_its_key_a_film_stays_closed_and_whole(
    tmp_path: Path, key_file: Path, make_reading: Make, text: str | None
) -> None:
    reading_id = keep(open_store(tmp_path, key_file), make_reading())
    right, files = key_file.read_text(), on_disk(tmp_path)
    store = open_store(tmp_path, key_file)
    if text is None:
        key_file.unlink()
    else:
        key_file.write_text(new_key() if text == "another" else text, encoding="utf-8")
    with pytest.raises(FilmLocked, match="Nothing is lost"):
        store.radiograph(reading_id)
    if text != "another":
        with pytest.raises(FilmLocked):
            store.check()
        with pytest.raises(FilmLocked):
            store.add(make_reading(), PNG)
    assert on_disk(tmp_path) == files
    key_file.write_text(right)
    assert_kept(store, reading_id)


def test_a_server_without_any_key_says_so(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    reading_id = keep(open_store(tmp_path, key_file), make_reading())
    with pytest.raises(FilmLocked, match="PNEUMONIA_FILM_KEY_FILE"):
        open_store(tmp_path, None).radiograph(reading_id)


def test_a_film_in_the_place_of_another_does_not_open(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    store = open_store(tmp_path, key_file)
    one, other = (keep(store, make_reading()) for _ in range(2))
    store.radiographs.path(one).write_bytes(store.radiographs.path(other).read_bytes())
    with pytest.raises(FilmDamaged, match="another one was put in its place"):
        store.radiograph(one)
    assert_kept(store, other)


@pytest.mark.parametrize("place", [9, 15, 40, -1])
def test_one_flipped_bit_is_noticed(
    tmp_path: Path, key_file: Path, make_reading: Make, place: int
) -> None:
    store = open_store(tmp_path, key_file)
    path = store.radiographs.path(keep(store, make_reading()))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises((FilmDamaged, FilmLocked)):
        store.radiograph(path.stem)
    path.write_bytes(data[:20])
    with pytest.raises((FilmDamaged, FilmLocked)):
        store.radiograph(path.stem)


def change_key(key_file: Path) -> str:
    """Put a new one first, as an operator does; returns its id."""
    key_file.write_text(new_key() + "\n" + key_file.read_text())
    key = FilmKeys(key_file).current()
    assert key is not None
    return key.id


def test_rotation_seals_everything_by_the_first_key(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    ids = [keep(open_store(tmp_path, None), make_reading())]
    store = open_store(tmp_path, key_file)
    ids.append(keep(store, make_reading()))
    new = change_key(key_file)
    ids.append(keep(store, make_reading()))  # by the new one at once, without a restart
    found = rotate_keys(store)
    assert (found.key_id, found.sealed, found.before, found.faults) == (new, 2, 1, [])
    assert {key_of(data) for data in on_disk(tmp_path).values()} == {new}
    key_file.write_text(key_file.read_text().splitlines()[0])  # the old one is not needed
    for reading_id in ids:
        assert_kept(store, reading_id)
    assert rotate_keys(store).sealed == 0
    newest = Audit(store).page(AuditQuery(action="film keys rotated"))
    assert newest[-1].subject == f"2 films, key {new}"


def test_a_rotation_that_is_cut_off_goes_on_where_it_was(
    tmp_path: Path, key_file: Path, make_reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path, key_file)
    ids = [keep(store, make_reading()) for _ in range(4)]
    change_key(key_file)
    seal, left = store.radiographs.seal_anew, [2]

    def die(reading_id: str) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return seal(reading_id)

    with monkeypatch.context() as patch:
        patch.setattr(store.radiographs, "seal_anew", die)
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(store)
    for reading_id in ids:
        assert_kept(store, reading_id)
    found = rotate_keys(store)
    assert (found.sealed, found.before) == (2, 2)


@pytest.mark.parametrize("has_thumbnail", [True, False])
def test_a_film_that_is_deleted_during_the_rotation_stays_deleted(
    tmp_path: Path,
    key_file: Path,
    make_reading: Make,
    monkeypatch: pytest.MonkeyPatch,
    has_thumbnail: bool,
) -> None:
    store = open_store(tmp_path, key_file)
    reading_id = keep(store, make_reading())
    if not has_thumbnail:
        store.radiographs.path(reading_id).with_suffix(".thumbnail").unlink()
    change_key(key_file)
    unseal = store.radiographs.keys.open

    def delete_meanwhile(data: bytes, name: str) -> bytes:
        found = unseal(data, name)
        if name.endswith(".png"):
            open_store(tmp_path, key_file).delete(reading_id)
        return found

    monkeypatch.setattr(store.radiographs.keys, "open", delete_meanwhile)
    rotate_keys(store)
    assert on_disk(tmp_path) == {}


def test_what_does_not_open_is_left_alone_and_told(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    store = open_store(tmp_path, key_file)
    lost, fine = keep(store, make_reading()), keep(open_store(tmp_path, None), make_reading())
    key_file.write_text(new_key())
    before = store.radiographs.path(lost).read_bytes()
    found = rotate_keys(store)
    assert (found.sealed, len(found.faults)) == (1, 1)
    assert store.radiographs.path(lost).read_bytes() == before
    assert_kept(store, fine)


def test_without_a_key_there_is_nothing_to_rotate(tmp_path: Path, make_reading: Make) -> None:
    store = open_store(tmp_path, None)
    reading_id = keep(store, make_reading())
    with pytest.raises(FilmLocked, match="No key is given"):
        rotate_keys(store)
    assert_kept(store, reading_id)


def test_a_backup_holds_the_films_sealed_and_names_their_key(
    tmp_path: Path, key_file: Path, make_reading: Make
) -> None:
    store = open_store(tmp_path, key_file)
    reading_id = keep(store, make_reading())
    key = FilmKeys(key_file).current()
    assert key is not None
    file, var, again = tmp_path / "backup.tar", tmp_path / "var", tmp_path / "again"
    manifest = write_backup(var / "readings.sqlite3", var, file)
    assert manifest.film_keys == [key.id]
    assert key.secret not in file.read_bytes()
    assert PNG[:300] not in file.read_bytes()
    with tarfile.open(file) as tar:
        told = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert told["film_keys"] == [key.id]
    restore_backup(file, again / "readings.sqlite3", again, replace=False)
    url = f"sqlite:///{again / 'readings.sqlite3'}"
    restored = Store(url, again, FilmKeys(key_file))
    assert restored.radiograph(reading_id) == PNG
    with pytest.raises(FilmLocked):
        Store(url, again).radiograph(reading_id)
    assert [one.action for one in Audit(restored).page(AuditQuery())] == ["restore", "upload"]
    with sqlite3.connect(again / "readings.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (1,)
