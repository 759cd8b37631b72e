"""Opening a database by URL, and bringing its tables up to date."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from pneumonia.errors import BadSetting


class MigrationError(Exception):
    """The tables cannot be brought up to date; the text is Alembic's."""


BUSY_TIMEOUT_S = 30.0
_MIGRATIONS = Path(__file__).parent / "migrations"
# Any fixed number: it names the lock under which one process at a time migrates (PostgreSQL).
_MIGRATION_LOCK = 7_310_442_918


def open_engine(database_url: str) -> Engine:
    """Make an engine; connects to nothing yet.

    Raises
    ------
    BadSetting
        For an address SQLAlchemy cannot read, a driver that is not installed, or an SQLite
        database in memory (every thread would see a database of its own).
    """
    try:
        url = make_url(database_url)
        engine = create_engine(url, pool_pre_ping=True, **_options(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise BadSetting(
            "PNEUMONIA_DATABASE_URL cannot be used: "
            f"{error}. It must be an SQLAlchemy URL whose driver is installed, such as "
            "sqlite:////srv/pneumonia/readings.sqlite3 or postgresql+psycopg://user@host/name."
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {}
    if url.database in (None, "", ":memory:"):
        raise BadSetting(
            "PNEUMONIA_DATABASE_URL names an SQLite database in memory, which threads cannot "
            "share. Give it a file, as in sqlite:////srv/pneumonia/readings.sqlite3."
        )
    return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # a deleted row is overwritten, not only freed
    # With a write-ahead log this survives a crash of the process; a loss of power can cost the
    # last readings, never the database.
    connection.execute("PRAGMA synchronous = NORMAL")


def forget_deleted(engine: Engine) -> None:
    """Empty SQLite's write-ahead log, where what was deleted can still be read.

    Where others use the database for longer than a moment it stays, until the next time.
    """
    if engine.dialect.name != "sqlite":
        return
    with contextlib.suppress(OperationalError), engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 500")
        try:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest version; any number of processes may do so at once.

    Raises
    ------
    MigrationError
        When Alembic cannot: the database is of a version that this program does not know, say.
    """
    # Alembic is slow to import, and most commands never touch the database.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection, _alone(connection):
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise MigrationError(str(error)) from error


@contextlib.contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One transaction that no other process migrates beside."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            # A table that is made anew under its name must not take along what points at it.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.rollback()
            # The write lock is taken before the version is read, not at the first change.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        case _:
            connection.begin()
    yield
    connection.commit()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
