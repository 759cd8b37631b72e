"""The audit log as it is read: page by page, as JSON lines, and checked link by link."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from pneumonia.errors import StorageUnavailable
from pneumonia.records.audit_chain import (
    FIRST_HASH,
    HEAD_ID,
    Action,
    Actor,
    Entry,
    append,
    current_actor,
)
from pneumonia.records.audit_tables import AuditHeadRow, AuditRow
from pneumonia.records.store import Store

log = logging.getLogger(__name__)

_AT_ONCE = 1000
_ONE_VIEW = timedelta(minutes=10)
"""A page and its pictures, opened once: one entry."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries; what is left empty filters nothing."""

    actor: str = ""
    reading_id: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a check of the chain.

    Attributes
    ----------
    entries
        How many links held.
    hash
        Of the newest entry: noted elsewhere, it shows later that nothing up to it was rewritten.
    fault
        A sentence on the first broken link; empty where there is none.
    """

    entries: int
    hash: str
    fault: str = ""


class Audit:
    """The log of a store. Safe under threads; raises what :class:`Store` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(
        self,
        action: Action,
        subject: str = "",
        *,
        reading_id: str = "",
        actor: Actor | None = None,
    ) -> None:
        """Add an entry that belongs to no other change."""
        with self._store.session("write to the audit log") as session:
            append(session, action, reading_id=reading_id, subject=subject, actor=actor)
            session.commit()

    def note_view(self, reading_id: str) -> None:
        """A reading was looked at; once more within ten minutes by the same one is the same look.

        Where the log cannot be written the film is shown all the same, since somebody may need
        it, and the server's own log has the line.
        """
        actor = current_actor.get()
        try:
            with self._store.session("write to the audit log") as session:
                if not _has_just_looked(session, actor, reading_id):
                    append(session, Action.VIEW, reading_id=reading_id)
                    session.commit()
        except StorageUnavailable:
            log.error("not in the audit log: %s looked at %s", actor, reading_id)

    def newest_subject(self, action: Action) -> str:
        """Of the last such entry; empty where there is none."""
        query = select(AuditRow.subject).where(AuditRow.action == action.value)
        with self._store.session("read the audit log") as session:
            return session.scalar(query.order_by(AuditRow.sequence.desc()).limit(1)) or ""

    def page(
        self, query: AuditQuery, *, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """At most so many entries, the newest first, all of them older than number ``before``."""
        rows = select(AuditRow).where(*_conditions(query)).order_by(AuditRow.sequence.desc())
        if before is not None:
            rows = rows.where(AuditRow.sequence < before)
        with self._store.session("read the audit log") as session:
            return [_entry(row) for row in session.scalars(rows.limit(limit))]

    def json_lines(self) -> Iterator[str]:
        """Every entry with its hash, the oldest first, one JSON object a line."""
        for entry, hash_ in self._all():
            yield json.dumps(entry.as_dict() | {"hash": hash_}) + "\n"

    def verify(self, noted: str = "") -> Verdict:
        """Recompute every hash.

        Parameters
        ----------
        noted
            A hash that was noted before: it has to be in the chain.
        """
        sequence, previous, is_noted = 0, FIRST_HASH, not noted
        for entry, hash_ in self._all():
            if entry.sequence != sequence + 1:
                missing = f"Entry {sequence + 1} is missing: {entry.sequence} is the next."
                return Verdict(sequence, previous, missing)
            if entry.hash_after(previous) != hash_:
                changed = (
                    f"Entry {entry.sequence} of {entry.at:%Y-%m-%d %H:%M:%S} UTC is not what was "
                    "written then, or what came before it was put in its place."
                )
                return Verdict(sequence, previous, changed)
            sequence, previous = entry.sequence, hash_
            is_noted = is_noted or hash_ == noted
        found = Verdict(sequence, previous)
        with self._store.session("read the audit log") as session:
            head = session.get_one(AuditHeadRow, HEAD_ID)
            # Entries that were added since the last one was read are no fault.
            if head.sequence < sequence or (head.sequence == sequence and head.hash != previous):
                return replace(found, fault="The end of the log was rewritten.")
            if head.sequence > sequence and session.get(AuditRow, sequence + 1) is None:
                return replace(found, fault=f"Entry {sequence + 1} and all after it are missing.")
        if not is_noted:
            return replace(
                found, fault=f"The hash {noted[:64]} is not in the log: it was rewritten."
            )
        return found

    def _all(self) -> Iterator[tuple[Entry, str]]:
        after = 0
        query = select(AuditRow).order_by(AuditRow.sequence).limit(_AT_ONCE)
        while True:
            with self._store.session("read the audit log") as session:
                rows = session.scalars(query.where(AuditRow.sequence > after)).all()
                found = [(_entry(row), row.hash) for row in rows]
            yield from found
            if len(found) < _AT_ONCE:
                return
            after = found[-1][0].sequence


def _entry(row: AuditRow) -> Entry:
    return Entry(*(getattr(row, name) for name in Entry.__dataclass_fields__))


def _conditions(query: AuditQuery) -> list[ColumnElement[bool]]:
    conditions = []
    if query.actor:
        conditions.append(AuditRow.actor == query.actor)
    if query.reading_id:
        conditions.append(AuditRow.reading_id == query.reading_id)
    if query.action:
        conditions.append(AuditRow.action == query.action)
    return conditions


def _has_just_looked(session: Session, actor: Actor, reading_id: str) -> bool:
    query = select(AuditRow.sequence).where(
        AuditRow.reading_id == reading_id,
        AuditRow.action == Action.VIEW.value,
        AuditRow.actor == actor.name,
        AuditRow.via == actor.via,
        AuditRow.address == actor.address,
        AuditRow.at > datetime.now(UTC) - _ONE_VIEW,
    )
    return session.scalar(query.limit(1)) is not None
