"""All that is kept, as one file: written while the server runs, and put back where it is stopped.

A tar of the films, the database (by SQLite's own backup), the secret key, and last a manifest with
the SHA-256 of each, without which the file is not whole. It is as secret as the data folder.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
import tarfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pneumonia.errors import BackupError
from pneumonia.records.radiographs import Radiographs

DATABASE, SECRET, MANIFEST = "database.sqlite3", "secret_key", "manifest.json"
_FILM = re.compile(r"films/([0-9a-f]{2})/(\1[0-9a-f]{30})\.(png|levels)")
_PIECE_BYTES = 2**20
_SETTLES_S = 5.0


@dataclass(slots=True)
class Manifest:
    """What a backup holds.

    Attributes
    ----------
    readings
        Rows of the database.
    films_missing
        Rows whose film was not there, and not because they were being deleted.
    files
        Name -> SHA-256, of everything but the manifest.
    film_keys
        Ids of the keys that its films are sealed by, which are not in it.
    """

    created_at: str
    readings: int = 0
    films_missing: int = 0
    files: dict[str, str] = field(default_factory=dict)
    film_keys: list[str] = field(default_factory=list)


def write_backup(database: Path, data_dir: Path, to: Path) -> Manifest:
    """Write everything into a new file; other processes may read and write meanwhile.

    The database is copied first and the films after it, so each row has its film; what is deleted
    meanwhile is taken out of the copy.

    Raises
    ------
    BackupError
        Where there is such a file already, nothing to back up, or no room. Nothing is left then.
    """
    if to.exists():
        raise BackupError(f"{to} is there already. Name a new file.")
    if not database.is_file():
        raise BackupError(f"There is no database {database} yet, and so nothing to back up.")
    mark = uuid.uuid4().hex
    part, snapshot = (to.with_name(f".{to.name}.{mark}.{end}") for end in ("part", "sqlite3"))
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            manifest = _write(database, data_dir, file, snapshot)
            file.flush()
            os.fsync(file.fileno())
        part.rename(to)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(
            f"The backup {to} cannot be written: {error}. Mend that, or choose another place."
        ) from error
    finally:
        part.unlink(missing_ok=True)
        snapshot.unlink(missing_ok=True)
    return manifest


def _write(database: Path, data_dir: Path, file: IO[bytes], snapshot: Path) -> Manifest:
    manifest = Manifest(datetime.now(UTC).isoformat(timespec="seconds"))
    os.close(os.open(snapshot, os.O_CREAT | os.O_EXCL, 0o600))
    with (
        tarfile.open(fileobj=file, mode="w") as tar,
        contextlib.closing(sqlite3.connect(database)) as live,
        contextlib.closing(sqlite3.connect(snapshot)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        copy.execute("PRAGMA secure_delete = ON")
        films, key_ids = Radiographs(data_dir / "films"), set[str | None]()
        for (reading_id,) in copy.execute("SELECT id FROM readings").fetchall():
            path = films.path(reading_id)
            try:
                _settle(films, reading_id)
                key_ids.add(films.sealed_by(reading_id))
                _add(tar, path.relative_to(data_dir).as_posix(), path, manifest)
                _add_levels(tar, films.levels_path(reading_id), data_dir, manifest)
            except FileNotFoundError:
                row = live.execute("SELECT 1 FROM readings WHERE id = ?", (reading_id,)).fetchone()
                if row is None or films.is_aside(reading_id):
                    copy.execute("DELETE FROM readings WHERE id = ?", (reading_id,))
                else:
                    manifest.films_missing += 1
        copy.commit()
        (manifest.readings,) = copy.execute("SELECT count(*) FROM readings").fetchone()
        copy.close()
        manifest.film_keys = sorted(filter(None, key_ids))
        _add(tar, DATABASE, snapshot, manifest)
        with contextlib.suppress(FileNotFoundError):  # the key is in a setting
            _add(tar, SECRET, data_dir / SECRET, manifest)
        text = json.dumps(asdict(manifest)).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return manifest


def _settle(films: Radiographs, reading_id: str) -> None:
    """Let a deletion that is under way come to its end."""
    until = time.monotonic() + _SETTLES_S
    while films.is_aside(reading_id) and time.monotonic() < until:
        time.sleep(0.05)


def _add_levels(tar: tarfile.TarFile, path: Path, data_dir: Path, manifest: Manifest) -> None:
    with contextlib.suppress(FileNotFoundError):  # most films have none
        _add(tar, path.relative_to(data_dir).as_posix(), path, manifest)


def _add(tar: tarfile.TarFile, name: str, path: Path, manifest: Manifest) -> None:
    with path.open("rb") as file:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o600
        manifest.files[name] = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        tar.addfile(entry, file)


def unpack_backup(file: Path, folder: Path) -> Manifest:
    """Lay a backup's files out in a folder of its own, each checked against the manifest.

    Raises
    ------
    BackupError
        Where it cannot be read, is cut off or changed, or is no backup of this program.
    """
    try:
        found = dict(_unpack(file, folder))
        manifest = Manifest(**json.loads((folder / MANIFEST).read_bytes()))
    except (OSError, tarfile.TarError, ValueError, TypeError) as error:
        raise BackupError(
            f"{file} cannot be read as a backup: {error}. Nothing was changed; take another one."
        ) from error
    del found[MANIFEST]
    if found != manifest.files:
        wrong = min(found.items() ^ manifest.files.items())[0]
        raise BackupError(
            f"{file} is damaged: {wrong} is not what it was. Nothing was changed; take another one."
        )
    return manifest


def _unpack(file: Path, folder: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(file, "r:") as tar:
        for entry in tar:
            name = entry.name
            if not entry.isreg() or not (
                name in (DATABASE, SECRET, MANIFEST) or _FILM.fullmatch(name)
            ):
                raise ValueError(f"it holds {name[:80]!r}, which no backup does")
            source, path = tar.extractfile(entry), folder / name
            assert source is not None
            path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
            digest = hashlib.sha256()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
                while piece := source.read(_PIECE_BYTES):
                    digest.update(piece)
                    to.write(piece)
            yield name, digest.hexdigest()
