"""The migrations lead to the tables as they are declared, also when many processes start."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from pneumonia.records import Store, database
from pneumonia.records.tables import Base

HEAD = "0001"


def migrate(url: str, folder: Path, gate: "multiprocessing.synchronize.Barrier") -> None:
    """Run in a process of its own."""
    gate.wait(timeout=60)
    Store(url, folder).migrate()


def test_the_migrated_tables_are_the_declared_ones(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    Store(url, tmp_path).migrate()
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == HEAD


def test_the_comparison_would_see_a_difference(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    Store(url, tmp_path).migrate()
    with sqlite3.connect(tmp_path / "x.sqlite3") as raw:
        raw.execute("ALTER TABLE readings DROP COLUMN logit")
    with create_engine(url).connect() as connection:
        changes = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert [(change[0], change[3].name) for change in changes] == [("add_column", "logit")]


def test_eight_processes_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(8)
    processes = [spawn.Process(target=migrate, args=(url, tmp_path, gate)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * 8
    with sqlite3.connect(tmp_path / "x.sqlite3") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert raw.execute("SELECT count(*) FROM readings").fetchone() == (0,)


def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path)
    store.migrate()
    with store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def test_the_way_back_is_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    Store(url, tmp_path).migrate()
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with create_engine(url).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(create_engine(url)).get_table_names() == ["alembic_version"]


@pytest.mark.parametrize(
    ("dialect", "moment", "number"),
    [
        (postgresql.dialect(), "TIMESTAMP WITHOUT TIME ZONE", "DOUBLE PRECISION"),
        (mysql.dialect(), "DATETIME(6)", "DOUBLE"),
    ],
)
def test_other_databases_get_types_that_lose_nothing(
    dialect: object, moment: str, number: str
) -> None:
    ddl = str(CreateTable(Base.metadata.tables["readings"]).compile(dialect=dialect))
    assert f"created_at {moment} NOT NULL" in ddl
    assert f"probability {number} NOT NULL" in ddl
