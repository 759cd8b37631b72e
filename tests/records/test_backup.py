"""Everything destroyed and put back; a backup while others write; what is no whole backup."""

import io
import json
import shutil
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumonia.errors import BackupError, ReadingNotFound
from pneumonia.records import Reading, Store
from pneumonia.records.backup import MANIFEST, write_backup
from pneumonia.records.radiographs import Radiographs
from pneumonia.records.restore import restore_backup

Make = Callable[..., Reading]
PNG = b"\x89PNG\r\n\x1a\n any bytes at all "


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


def open_store(var: Path) -> Store:
    return Store(f"sqlite:///{var / 'readings.sqlite3'}", var)


def fill(var: Path, make_reading: Make, count: int = 5) -> list[Reading]:
    store = open_store(var)
    readings = [make_reading() for _ in range(count)]
    for reading in readings:
        store.add(reading, PNG + reading.id.encode())
    (var / "secret_key").write_text("k" * 64)
    store.close()
    return readings


def back_up(var: Path, to: Path) -> Path:
    write_backup(var / "readings.sqlite3", var, to)
    return to


def put_back(file: Path, var: Path, *, replace: bool = False) -> list[Path]:
    return restore_backup(file, var / "readings.sqlite3", var, replace=replace)[1]


def check_all(var: Path, readings: list[Reading]) -> None:
    store = open_store(var)
    for reading in readings:
        assert store.get(reading.id).image == reading.image
        assert store.radiograph(reading.id) == PNG + reading.id.encode()
    store.close()


def test_what_was_destroyed_comes_back_whole(var: Path, make_reading: Make, tmp_path: Path) -> None:
    readings = fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    shutil.rmtree(var)
    assert put_back(file, var) == []
    check_all(var, readings)
    assert (var / "secret_key").read_text() == "k" * 64
    assert sorted(path.name for path in var.iterdir() if "-" not in path.name) == [
        "films",
        "readings.sqlite3",
        "secret_key",
    ]


def test_all_levels_of_a_deep_film_come_back(var: Path, make_reading: Make, tmp_path: Path) -> None:
    (reading,) = fill(var, make_reading, 1)
    store, deep = open_store(var), make_reading()
    store.add(deep, PNG, b"levels")
    store.close()
    file = back_up(var, tmp_path / "backup.tar")
    shutil.rmtree(var)
    put_back(file, var)
    store = open_store(var)
    assert store.levels(deep.id) == b"levels"
    assert store.levels(reading.id) is None
    store.close()


def test_nobody_else_may_read_it(var: Path, make_reading: Make, tmp_path: Path) -> None:
    fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    shutil.rmtree(var)
    put_back(file, var)
    secret = [file, var / "readings.sqlite3", var / "secret_key", *var.glob("films/*/*.png")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE((var / "films").stat().st_mode) == 0o700


def test_it_is_whole_while_others_write_and_delete(
    var: Path, make_reading: Make, tmp_path: Path
) -> None:
    fill(var, make_reading, 20)
    over, failures, store = threading.Event(), [], open_store(var)

    def work() -> None:
        try:
            while not over.is_set():
                readings = [make_reading() for _ in range(3)]
                for reading in readings:
                    store.add(reading, PNG + reading.id.encode())
                store.delete(readings[1].id)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        files = [back_up(var, tmp_path / f"{number}.tar") for number in range(5)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    store.close()
    assert failures == []
    for number, file in enumerate(files):
        folder = tmp_path / f"restored-{number}"
        put_back(file, folder)
        with sqlite3.connect(folder / "readings.sqlite3") as connection:
            ids = {id_ for (id_,) in connection.execute("SELECT id FROM readings")}
        assert len(ids) >= 20
        assert ids == {path.stem for path in folder.glob("films/*/*.png")}


def test_a_film_deleted_while_it_is_copied_takes_its_row_along(
    var: Path, make_reading: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = fill(var, make_reading)
    store, path = open_store(var), Radiographs.path

    def delete_first(films: Radiographs, reading_id: str) -> Path:
        monkeypatch.setattr(Radiographs, "path", path)
        store.delete(reading_id)
        return path(films, reading_id)

    monkeypatch.setattr(Radiographs, "path", delete_first)
    file = back_up(var, tmp_path / "backup.tar")
    put_back(file, tmp_path / "restored")
    restored = open_store(tmp_path / "restored")
    assert len(restored.find([reading.id for reading in readings])) == 4
    store.close()
    restored.close()


def test_what_is_there_is_moved_aside_and_only_if_that_is_asked_for(
    var: Path, make_reading: Make, tmp_path: Path
) -> None:
    first = fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    later = fill(var, make_reading)
    with pytest.raises(BackupError, match=r"is there already\. With --replace"):
        put_back(file, var)
    check_all(var, first + later)
    aside = put_back(file, var, replace=True)
    check_all(var, first)
    store = open_store(var)
    with pytest.raises(ReadingNotFound):
        store.get(later[0].id)
    store.close()
    database = next(path for path in aside if path.name.startswith("readings.sqlite3"))
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (10,)
    films = next(path for path in aside if path.name.startswith("films"))
    assert len(list(films.glob("*/*.png"))) == 10


def test_a_database_in_use_is_left_alone(var: Path, make_reading: Make, tmp_path: Path) -> None:
    readings = fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    server = open_store(var)
    server.check()
    with pytest.raises(BackupError, match=r"is in use\. Stop the server"):
        put_back(file, var, replace=True)
    server.close()
    check_all(var, readings)
    put_back(file, var, replace=True)


def test_a_damaged_database_is_no_obstacle(var: Path, make_reading: Make, tmp_path: Path) -> None:
    readings = fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    (var / "readings.sqlite3").write_bytes(b"no database " * 1000)
    put_back(file, var, replace=True)
    check_all(var, readings)


def rewrite(file: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
    with tarfile.open(file) as tar:
        entries = [(one.name, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]
    with tarfile.open(file, "w") as tar:
        for entry in entries:
            if (changed := change(*entry)) is not None:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                tar.addfile(info, io.BytesIO(changed[1]))


def is_film(name: str) -> bool:
    return name.startswith("films/")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda n, d: (n, d[:-1] + b"?") if is_film(n) else (n, d), "is not what it was"),
        (lambda n, d: None if is_film(n) else (n, d), "is not what it was"),
        (lambda n, d: None if n == MANIFEST else (n, d), "cannot be read as a backup"),
        (lambda n, d: (n, b"[]") if n == MANIFEST else (n, d), "cannot be read as a backup"),
        (lambda n, d: (f"../{n}", d), "which no backup does"),
        (lambda n, d: (f"/tmp/{n}", d), "which no backup does"),
        (lambda n, d: ("films/ab/x.html", d) if is_film(n) else (n, d), "which no backup does"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(
    var: Path,
    make_reading: Make,
    tmp_path: Path,
    change: Callable[[str, bytes], tuple[str, bytes] | None],
    sentence: str,
) -> None:
    readings = fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    rewrite(file, change)
    with pytest.raises(BackupError, match=sentence):
        put_back(file, var, replace=True)
    check_all(var, readings)
    assert list(var.glob(".restore*")) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_one_that_was_cut_off_is_noticed(
    var: Path, make_reading: Make, tmp_path: Path, share: float
) -> None:
    fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(BackupError, match="cannot be read as a backup"):
        put_back(file, tmp_path / "restored")


def test_one_of_a_newer_version_is_refused_before_anything_is_moved(
    var: Path, make_reading: Make, tmp_path: Path
) -> None:
    readings = fill(var, make_reading)
    with sqlite3.connect(var / "readings.sqlite3") as connection:
        (now,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    file = back_up(var, tmp_path / "backup.tar")
    with sqlite3.connect(var / "readings.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (now,))
    with pytest.raises(BackupError, match="cannot be opened by this version"):
        put_back(file, var, replace=True)
    check_all(var, readings)


def test_nothing_is_overwritten_and_nothing_half_is_left(
    var: Path, make_reading: Make, tmp_path: Path
) -> None:
    fill(var, make_reading)
    file = back_up(var, tmp_path / "backup.tar")
    with pytest.raises(BackupError, match="is there already"):
        back_up(var, file)
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(var, tmp_path / "absent" / "backup.tar")
    with pytest.raises(BackupError, match="nothing to back up"):
        back_up(tmp_path / "empty", tmp_path / "other.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "var"]


def test_a_film_that_was_missing_before_is_counted_and_its_row_kept(
    var: Path, make_reading: Make, tmp_path: Path
) -> None:
    readings = fill(var, make_reading)
    next(var.glob("films/*/*.png")).unlink()
    manifest = write_backup(var / "readings.sqlite3", var, tmp_path / "backup.tar")
    assert (manifest.readings, manifest.films_missing) == (len(readings), 1)
    with tarfile.open(tmp_path / "backup.tar") as tar:
        written = json.load(tar.extractfile(MANIFEST))  # type: ignore[arg-type]
    assert written["films_missing"] == 1
