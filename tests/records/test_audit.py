"""The audit log: every change has its line, and no line can be changed unnoticed."""

import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from pneumonia.errors import StorageUnavailable
from pneumonia.records import Audit, Reading, Store, Users, audit
from pneumonia.records.audit import AuditQuery
from pneumonia.records.audit_chain import Action, Actor, current_actor
from pneumonia.records.user import Role

Make = Callable[..., Reading]
PNG = b"\x89PNG\r\n\x1a\n any bytes at all"
ADA = Actor("ada", "browser", "10.0.0.7")


@pytest.fixture
def log(store: Store) -> Audit:
    return Audit(store)


@pytest.fixture(autouse=True)
def by_ada() -> object:
    token = current_actor.set(ADA)
    yield
    current_actor.reset(token)


def told(log: Audit) -> list[tuple[str, str, str]]:
    """Who did what to which, the oldest first."""
    return [
        (e.actor, e.action, e.reading_id or e.subject) for e in reversed(log.page(AuditQuery()))
    ]


def tamper(store: Store, *statements: str) -> None:
    """As somebody who may do anything with the database file."""
    assert store._file.path
    with sqlite3.connect(store._file.path) as raw:
        raw.execute("DROP TRIGGER IF EXISTS audit_no_update")
        raw.execute("DROP TRIGGER IF EXISTS audit_no_delete")
        for statement in statements:
            assert raw.execute(statement).rowcount > 0, statement


def fill(log: Audit, n: int = 7) -> None:
    for i in range(n):
        log.note(Action.EXPORT, f"number {i}")


def test_what_happens_to_a_reading_is_told(store: Store, log: Audit, make_reading: Make) -> None:
    kept = make_reading(reference="J.S. 4711")
    store.add(kept, PNG)
    log.note_view(kept.id)
    store.delete(kept.id)
    assert told(log) == [("ada", action, kept.id) for action in ("upload", "view", "delete")]
    entry = log.page(AuditQuery())[0]
    assert (entry.via, entry.address, entry.sequence) == ("browser", "10.0.0.7", 3)
    lines = "".join(log.json_lines())
    assert "4711" not in lines  # a reference may name a patient
    assert kept.image.sha256 not in lines


def test_a_change_and_its_line_are_kept_together_or_not_at_all(
    store: Store, log: Audit, make_reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lost = make_reading(), make_reading()
    store.add(kept, PNG)

    def fail(_: Session) -> None:
        raise OSError("no room")

    with monkeypatch.context() as full:
        full.setattr(Session, "commit", fail)
        for change in (lambda: store.add(lost, PNG), lambda: store.delete(kept.id)):
            with pytest.raises(StorageUnavailable):
                change()
    assert told(log) == [("ada", "upload", kept.id)]
    assert log.verify().fault == ""

    def unwritable(*_: object, **__: object) -> None:
        raise OSError("the log cannot be written")

    monkeypatch.setattr("pneumonia.records.store.append", unwritable)
    with pytest.raises(StorageUnavailable):
        store.add(lost, PNG)
    with pytest.raises(StorageUnavailable):
        store.delete(kept.id)
    assert store.get(kept.id).id == kept.id
    assert [r.id for r in store.find([kept.id, lost.id])] == [kept.id]


def test_one_look_is_one_line(
    store: Store, log: Audit, make_reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_reading(), make_reading()
    for reading in (first, second):
        store.add(reading, PNG)
    for _ in range(3):
        log.note_view(first.id)
    log.note_view(second.id)
    current_actor.set(Actor("bob", "browser", "10.0.0.8"))
    log.note_view(first.id)
    looks = [(who, which) for who, what, which in told(log) if what == "view"]
    assert looks == [("ada", first.id), ("ada", second.id), ("bob", first.id)]
    monkeypatch.setattr(audit, "_ONE_VIEW", timedelta(0))
    log.note_view(first.id)
    assert len(log.page(AuditQuery(action="view"))) == 4


def test_a_film_is_shown_though_the_log_cannot_be_written(
    store: Store,
    log: Audit,
    make_reading: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = make_reading()
    store.add(kept, PNG)

    def unwritable(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(audit, "append", unwritable)
    log.note_view(kept.id)
    assert f"looked at {kept.id}" in caplog.text
    assert "name='ada'" in caplog.text


def test_an_untouched_log_holds(log: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log.verify().entries == 0
    fill(log)
    found = log.verify()
    assert (found.entries, found.fault) == (7, "")
    monkeypatch.setattr(audit, "_AT_ONCE", 3)  # in pieces, the last of them not full
    assert log.verify() == found
    assert log.verify(noted=found.hash).fault == ""
    lines = [json.loads(line) for line in log.json_lines()]
    assert [line["sequence"] for line in lines] == list(range(1, 8))
    assert lines[-1]["hash"] == found.hash


TAMPERED = {
    "a name": ("UPDATE audit SET actor = 'eve' WHERE sequence = 3", 2, "Entry 3 of "),
    "a time": ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE sequence = 4", 3, "Entry 4 of "),
    "a hash": ("UPDATE audit SET hash = 'ff' || substr(hash, 3) WHERE sequence = 5", 4, "Entry 5 "),
    "one removed": ("DELETE FROM audit WHERE sequence = 2", 1, "Entry 2 is missing: 3 is the next"),
    "the first removed": ("DELETE FROM audit WHERE sequence = 1", 0, "Entry 1 is missing"),
    "the last removed": ("DELETE FROM audit WHERE sequence > 5", 5, "Entry 6 and all after it"),
    "all removed": ("DELETE FROM audit", 0, "Entry 1 and all after it"),
    "one put in": (
        "INSERT INTO audit SELECT 8, at, 'eve', via, '', action, '', '', hash FROM audit LIMIT 1",
        7,
        "Entry 8 of ",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_first_broken_link_is_named(store: Store, log: Audit, what: str) -> None:
    fill(log)
    statement, held, sentence = TAMPERED[what]
    tamper(store, statement)
    found = log.verify()
    assert found.fault.startswith(sentence)
    assert found.entries == held


def test_two_entries_that_changed_places_are_noticed(store: Store, log: Audit) -> None:
    fill(log)
    tamper(
        store,
        "UPDATE audit SET sequence = 99 WHERE sequence = 3",
        "UPDATE audit SET sequence = 3 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 99",
    )
    assert log.verify().fault.startswith("Entry 3 of ")


def test_a_shorter_log_whose_head_was_set_back_lacks_a_noted_hash(store: Store, log: Audit) -> None:
    fill(log)
    noted = log.verify().hash
    tamper(
        store,
        "DELETE FROM audit WHERE sequence > 4",
        "UPDATE audit_head SET sequence = 4, hash = (SELECT hash FROM audit WHERE sequence = 4)",
    )
    assert log.verify().fault == ""  # nothing within the database can tell
    assert log.verify(noted=noted).fault.endswith("is not in the log: it was rewritten.")


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_the_database_itself_refuses_a_change(store: Store, log: Audit, statement: str) -> None:
    fill(log)
    assert store._file.path
    with (
        sqlite3.connect(store._file.path) as raw,
        pytest.raises(sqlite3.IntegrityError, match="the audit log is append-only"),
    ):
        raw.execute(statement)


def test_many_at_once_make_one_chain(store: Store, log: Audit, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path / 'readings.sqlite3'}", tmp_path)  # as another process
    gate = threading.Barrier(8)

    def write(own: Audit) -> None:
        gate.wait()
        for _ in range(10):
            own.note(Action.EXPORT)

    threads = [threading.Thread(target=write, args=(one,)) for one in [log, Audit(other)] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert (log.verify().entries, log.verify().fault) == (80, "")


def test_changes_of_accounts_are_told(store: Store, log: Audit) -> None:
    users = Users(store)
    users.add("bob", Role.ADMINISTRATOR)
    users.add("eve", Role.READER)
    users.set_role("eve", Role.REVIEWER)
    users.set_password("eve", "a hash")
    users.disable("eve")
    users.enable("eve")
    assert told(log)[2:] == [
        ("ada", "role changed", "eve: reader to reviewer"),
        ("ada", "password changed", "eve"),
        ("ada", "user disabled", "eve"),
        ("ada", "user enabled", "eve"),
    ]
    assert "a hash" not in "".join(log.json_lines())


def test_the_pages_go_back_to_the_first_entry(log: Audit) -> None:
    fill(log)
    page = log.page(AuditQuery(actor="ada"), limit=4)
    assert [e.sequence for e in page] == [7, 6, 5, 4]
    assert [e.sequence for e in log.page(AuditQuery(), before=4, limit=4)] == [3, 2, 1]
    assert log.page(AuditQuery(actor="bob")) == []
