"""The store: readings in a database, their films beside it in the data folder."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from pneumonia.errors import ReadingNotFound, StorageUnavailable
from pneumonia.records.audit_chain import SERVER, Action, append
from pneumonia.records.database import MigrationError, forget_deleted, migrate, open_engine
from pneumonia.records.database_file import DatabaseFile
from pneumonia.records.film_keys import FilmKeys
from pneumonia.records.radiographs import Radiographs
from pneumonia.records.reading import Reading
from pneumonia.records.rows import to_reading, to_row
from pneumonia.records.tables import ReadingRow

log = logging.getLogger(__name__)

# What SQLite calls a disk without room: while writing, and while it makes its shared memory larger.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class Store:
    """Readings and their films. Safe under threads; opens nothing until it is first needed.

    Parameters
    ----------
    database_url
        Any SQLAlchemy URL; an SQLite file is made where it is missing.
    data_dir
        Folder of the films, made where it is missing.
    film_keys
        What films are encrypted by.

    Every method raises StorageUnavailable when the database or the folder cannot be used, and
    BadSetting for a URL that cannot be opened at all.
    """

    def __init__(
        self, database_url: str, data_dir: Path, film_keys: FilmKeys | None = None
    ) -> None:
        self._url = database_url
        self._radiographs = Radiographs(data_dir / "films", film_keys)
        self._lock = threading.Lock()
        self._migrated = False

    @cached_property
    def _engine(self) -> Engine:
        return open_engine(self._url)

    def migrate(self) -> None:
        """Bring the tables up to date, once per process; others may start at the same time."""
        with self._lock:
            if self._migrated:
                return
            with _storage("prepare the database"):
                self._make_database_folder()
                migrate(self._engine)
                self._settle_deletions()
            self._file.remember()
            self._migrated = True

    def _settle_deletions(self) -> None:
        """End the deletions that a crash cut off: a film set aside goes where its row went."""
        with Session(self._engine) as session:
            for reading_id in self._radiographs.aside():
                row = session.get(ReadingRow, reading_id)
                if row is not None and not self._radiographs.is_emptied(reading_id):
                    self._radiographs.bring_back(reading_id)
                    continue
                if row is not None:
                    session.delete(row)
                    append(session, Action.DELETE, reading_id=reading_id, actor=SERVER)
                    session.commit()
                self._radiographs.remove_aside(reading_id)

    @cached_property
    def _file(self) -> DatabaseFile:
        url = make_url(self._url) if self._engine.dialect.name == "sqlite" else None
        is_file = url is not None and url.database and not url.database.startswith("file:")
        return DatabaseFile(Path(str(url.database)) if url and is_file else None)

    def _make_database_folder(self) -> None:
        if self._file.path is not None:
            self._file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _check_file(self, doing: str) -> None:
        """Raises StorageUnavailable where what is written would be lost at the next stop."""
        if self._file.is_there:
            return
        log.error("cannot %s: the database file was deleted or moved", doing)
        raise StorageUnavailable(
            f"The server cannot {doing}: its database file was deleted or moved while it was in "
            "use. Tell whoever runs this server: it has to be put back where it was."
        )

    def _take_replaced_file(self) -> None:
        """Go on with a database that was restored in the place of the one that was open."""
        with self._lock:
            if self._file.is_replaced:
                self._engine.dispose()
                self._migrated = False

    def add(self, reading: Reading, radiograph_png: bytes, levels_png: bytes | None = None) -> None:
        """Keep a reading and its film, both or neither.

        Parameters
        ----------
        radiograph_png
            The film as an 8-bit grey PNG that names nobody.
        levels_png
            All its grey levels as a 16-bit PNG, where it has more.
        """
        with self.session("store the reading") as session:
            # The picture first: a row never points at a film that is not there.
            self._radiographs.write(reading.id, radiograph_png, levels_png)
            try:
                session.add(to_row(reading))
                append(session, Action.UPLOAD, reading_id=reading.id)
                session.commit()
                self._check_file("store the reading")  # before anybody is told that it is kept
            except BaseException:
                self._radiographs.delete(reading.id)
                raise
            finally:
                self._radiographs.settle(reading.id)

    def get(self, reading_id: str) -> Reading:
        """Raises ReadingNotFound."""
        self._radiographs.path(reading_id)
        with self.session("look up the reading") as session:
            row = _row(session, reading_id)
            if row.deleted_at is not None:
                raise ReadingNotFound(
                    f"The reading {reading_id} was deleted. For some days it can be brought back "
                    "from the deleted readings, which the worklist leads to."
                )
            return to_reading(row)

    def find(self, reading_ids: Sequence[str]) -> list[Reading]:
        """Those of the given readings that exist, in the order asked for."""
        if not reading_ids:
            return []
        query = select(ReadingRow).where(ReadingRow.id.in_(list(reading_ids)))
        query = query.where(ReadingRow.deleted_at.is_(None))
        with self.session("list readings") as session:
            rows = {row.id: row for row in session.scalars(query)}
            return [to_reading(rows[id_]) for id_ in reading_ids if id_ in rows]

    def radiograph(self, reading_id: str) -> bytes:
        """The film's PNG. Raises ReadingNotFound, RadiographMissing, FilmLocked."""
        self.get(reading_id)
        with _storage("open the film"):
            return self._radiographs.read(reading_id)

    def radiograph_head(self, reading_id: str, length: int) -> bytes:
        """The first bytes of the film's PNG; none where the file is gone."""
        with _storage("open the film"):
            return self._radiographs.head(reading_id, length)

    def levels(self, reading_id: str) -> bytes | None:
        """The 16-bit PNG of all grey levels, where one was kept. Raises ReadingNotFound."""
        self.get(reading_id)
        with _storage("open the film"):
            return self._radiographs.levels(reading_id)

    def has_levels(self, reading_id: str) -> bool:
        return self._radiographs.has_levels(reading_id)

    def thumbnail(self, reading_id: str) -> bytes | None:
        """The film made small, where that was kept. Raises ReadingNotFound."""
        self.get(reading_id)
        with _storage("open the film"):
            return self._radiographs.thumbnail(reading_id)

    def keep_thumbnail(self, reading_id: str, png: bytes) -> None:
        """Spare the next one who looks at a list the work of making a film small."""
        self._radiographs.keep_thumbnail(reading_id, png)

    def has_radiograph(self, reading_id: str) -> bool:
        """Whether the film's file is there. Raises ReadingNotFound for what is no id."""
        return self._radiographs.path(reading_id).is_file()

    def radiograph_bytes(self, reading_id: str) -> int:
        """Size of the film's file; 0 where it is gone. Raises ReadingNotFound for what is no id."""
        path = self._radiographs.path(reading_id)
        return path.stat().st_size if path.is_file() else 0

    def delete(self, reading_id: str) -> None:
        """Remove the reading and its film. Raises ReadingNotFound.

        A film never outlives its row unseen: it is moved aside first, and moved back where the row
        cannot be removed. What a failure leaves aside is removed when this is tried again, or at
        the next start.
        """
        films = self._radiographs
        films.path(reading_id)
        with self.session("delete the reading") as session:
            if session.get(ReadingRow, reading_id) is None and films.is_aside(reading_id):
                films.remove_aside(reading_id)
                return
            _row(session, reading_id)
            films.set_aside(reading_id)
            try:
                self._delete_row(session, reading_id)
            except BaseException:
                films.bring_back(reading_id)
                raise
            films.remove_aside(reading_id)
            films.delete(reading_id)  # another process that starts may just have brought it back
        forget_deleted(self._engine)

    def _delete_row(self, session: Session, reading_id: str) -> None:
        """On a full disk the row goes in the room that its film gives up."""
        try:
            _remove(session, reading_id)
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0)
            if code & 0xFF not in _NO_ROOM or not self._radiographs.is_aside(reading_id):
                raise
            session.rollback()
            self._radiographs.empty_aside(reading_id)
            _remove(session, reading_id)

    def find_older(self, moment: datetime) -> list[str]:
        """Ids of the readings that were made before a moment, the oldest first."""
        query = select(ReadingRow.id).where(ReadingRow.created_at < moment)
        with self.session("list readings") as session:
            return list(session.scalars(query.order_by(ReadingRow.created_at)))

    def sweep(self, before: datetime) -> int:
        """Remove films whose row was never written, begun before a moment; returns how many.

        A crash between film and row leaves one behind, and its mark. A film without a mark is
        never touched: it may belong to a database that is only not here today.
        """
        swept, films = 0, self._radiographs
        with self.session("sweep the films") as session:
            for reading_id in films.pending(before.timestamp()):
                if session.get(ReadingRow, reading_id) is None:
                    films.discard(reading_id)
                    swept += 1
                films.settle(reading_id)
        return swept

    @property
    def radiographs(self) -> Radiographs:
        """The films' files, for this package's own use."""
        return self._radiographs

    @property
    def database_path(self) -> Path | None:
        """Of the SQLite file; None for any other database."""
        return self._file.path

    def check(self) -> None:
        """Ask the database for an answer, whatever it is, and for the key of the films."""
        with self.session("reach the database") as session:
            session.execute(text("SELECT 1"))
        self._radiographs.keys.current()

    def close(self) -> None:
        """Give back the database connections; the next call opens new ones."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @contextlib.contextmanager
    def session(self, doing: str) -> Iterator[Session]:
        """A session on the tables as they are declared, for this package's own use.

        Parameters
        ----------
        doing
            What is being done, in words after "cannot", for whoever is told that it failed.
        """
        self.migrate()
        if self._file.is_replaced:
            self._take_replaced_file()
            self.migrate()
        self._check_file(doing)
        with _storage(doing), Session(self._engine) as session:
            yield session


def _remove(session: Session, reading_id: str) -> None:
    session.delete(_row(session, reading_id))
    append(session, Action.DELETE, reading_id=reading_id)
    session.commit()


def _row(session: Session, reading_id: str) -> ReadingRow:
    row = session.get(ReadingRow, reading_id)
    if row is None:
        raise ReadingNotFound(
            f"There is no reading {reading_id}. It may have been deleted; check the address."
        )
    return row


@contextlib.contextmanager
def _storage(doing: str) -> Iterator[None]:
    """Failures of the database or the disk, as a sentence for a person; the cause is logged."""
    try:
        yield
    except (DBAPIError, PoolTimeout, MigrationError, OSError) as error:
        log.exception("cannot %s", doing)
        raise StorageUnavailable(
            f"The server cannot {doing}: its database or data folder cannot be used at the "
            "moment. Try again shortly; if it goes on, tell whoever runs this server."
        ) from error
