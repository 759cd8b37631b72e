"""A backup in the place of what is kept now, which is moved aside and never lost."""

import contextlib
import shutil
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path

from pneumonia.errors import BackupError, StorageUnavailable
from pneumonia.records.audit import Audit
from pneumonia.records.audit_chain import Action
from pneumonia.records.backup import DATABASE, SECRET, Manifest, unpack_backup
from pneumonia.records.store import Store

_LOGS = ("", "-wal", "-shm")


def restore_backup(
    file: Path, database: Path, data_dir: Path, *, replace: bool
) -> tuple[Manifest, list[Path]]:
    """Put a backup where the server will look for it, checked and brought up to date before.

    Parameters
    ----------
    replace
        Whether what is there now may be moved aside.

    Returns
    -------
    What it holds, and where what was there lies now.

    Raises
    ------
    BackupError
        Where the backup is not whole, the server still runs, or something is there and ``replace``
        is not given. Nothing has changed then.
    """
    films, secret = data_dir / "films", data_dir / SECRET
    there = [path for path in (database, films) if path.exists()]
    if there and not replace:
        raise BackupError(
            f"{there[0]} is there already. With --replace it is moved aside and the backup takes "
            "its place."
        )
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = data_dir / f".restore-{uuid.uuid4().hex}"
    for folder in (staged, staged / "films"):
        folder.mkdir(mode=0o700)
    try:
        manifest = unpack_backup(file, staged)
        _open(file, staged, manifest)
        _check_stopped(database)
        mark = datetime.now(UTC).strftime("before-%Y%m%dT%H%M%SZ")
        old = [films, *(Path(f"{database}{log}") for log in _LOGS)]
        if (staged / SECRET).exists():
            old.append(secret)
        aside = [_move_aside(path, mark) for path in old if path.exists()]
        (staged / "films").rename(films)  # before the database: a row never points at nothing
        with contextlib.suppress(FileNotFoundError):
            (staged / SECRET).rename(secret)
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(staged / DATABASE, database)
    finally:
        shutil.rmtree(staged)
    return manifest, aside


def _open(file: Path, staged: Path, manifest: Manifest) -> None:
    """Open the copy as the server will, migrate it, and write the restore into its audit log."""
    store = Store(f"sqlite:///{staged / DATABASE}", staged)
    try:
        Audit(store).note(Action.RESTORE, f"as it was at {manifest.created_at}")
    except StorageUnavailable as error:
        raise BackupError(
            f"The database in {file} cannot be opened by this version: {error.__cause__}. Restore "
            "it with the version that it was written by, or a newer one."
        ) from error
    finally:
        store.close()
    with contextlib.closing(sqlite3.connect(staged / DATABASE)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _check_stopped(database: Path) -> None:
    """A log can be taken away only by the last one who has the database open."""
    if not database.is_file():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=1)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise BackupError(
                    f"{database} is in use. Stop the server, then restore again."
                ) from None
        except sqlite3.DatabaseError:  # damaged: it is moved aside as it is
            pass


def _move_aside(path: Path, mark: str) -> Path:
    """The database's logs keep its new name before their own ending."""
    stem = path.name
    for log in _LOGS[1:]:
        if stem.endswith(log):
            return path.rename(path.with_name(f"{stem.removesuffix(log)}.{mark}{log}"))
    return path.rename(path.with_name(f"{stem}.{mark}"))
