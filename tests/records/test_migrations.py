"""The migrations lead to the tables as they are declared, also when many processes start."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from pneumonia.analysis.finding import Quality
from pneumonia.errors import StorageUnavailable
from pneumonia.records import Reading, Store, database
from pneumonia.records.tables import Base

HEAD = "0012"


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


def move(url: str, to: str, direction: Callable[[Config, str], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with create_engine(url).begin() as connection:
        config.attributes["connection"] = connection
        direction(config, to)


# A row as the first tables held it.
FIRST_ROW = {
    "id": "ab" * 16, "created_at": "2026-01-02 03:04:05.678901", "image_format": "PNG",
    "image_width": 30, "image_height": 20, "image_sha256": "cd" * 32, "label": "pneumonia",
    "probability": 0.75, "logit": 1.25, "operating_point": "sensitivity-95", "threshold": 0.5,
    "indeterminate_low": None, "indeterminate_high": None, "model_id": "default",
    "model_sha256": "ef" * 32, "quality_accepted": 1, "quality_warnings": '["Small."]',
    "map_values": b"\0\0\x80?", "map_rows": 1, "map_columns": 1, "map_full_scale": 2.0,
    "map_geometry": '{"width": 30, "height": 20, "box": [0, 0, 30, 20]}',
}  # fmt: skip


def test_a_reading_of_the_first_tables_is_found_in_the_newest(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    move(url, "0001", command.upgrade)
    with sqlite3.connect(tmp_path / "x.sqlite3") as raw:
        marks = ", ".join(f":{name}" for name in FIRST_ROW)
        raw.execute(f"INSERT INTO readings ({', '.join(FIRST_ROW)}) VALUES ({marks})", FIRST_ROW)
    found = Store(url, tmp_path).get("ab" * 16).finding
    assert found.quality == Quality(True, ("Small.",), inverted=False)
    assert found.outline == ()
    assert found.etiology is None
    assert (found.label, found.probability, found.logit) == ("pneumonia", 0.75, 1.25)
    assert found.activation.values.tolist() == [[1.0]]


def test_one_step_back_keeps_the_readings(
    tmp_path: Path, make_reading: Callable[..., Reading]
) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    store, kept = Store(url, tmp_path), make_reading()
    store.add(kept, b"a film")
    move(url, "0001", command.downgrade)
    columns = {column["name"] for column in inspect(create_engine(url)).get_columns("readings")}
    assert columns == set(FIRST_ROW)
    move(url, HEAD, command.upgrade)
    assert store.get(kept.id).finding.probability == kept.finding.probability


def test_the_way_back_is_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    Store(url, tmp_path).migrate()
    move(url, "base", command.downgrade)
    assert inspect(create_engine(url)).get_table_names() == ["alembic_version"]


def test_postgresql_gets_types_that_lose_nothing() -> None:
    table = CreateTable(Base.metadata.tables["readings"])
    ddl = str(table.compile(dialect=postgresql.dialect()))
    assert "created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL" in ddl
    assert "probability DOUBLE PRECISION NOT NULL" in ddl


def test_a_database_of_a_later_version_is_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    Store(url, tmp_path).migrate()
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match=r"^The server cannot prepare the database: "):
        Store(url, tmp_path).check()
