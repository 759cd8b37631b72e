"""The queue: films that other systems sent, from their arrival until all is done with them.

What is received is on the disk, file and row, before anybody is told so; the file goes when the
film is read and its results are sent, or when it is given up.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pneumonia.errors import DomainError, QueueItemNotFound
from pneumonia.records.audit_chain import Action, append
from pneumonia.records.queue_files import QueueFiles
from pneumonia.records.queue_item import TRIES, WAITING, QueueItem, Source, State, pause
from pneumonia.records.queue_tables import QueueRow
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow

KEPT = timedelta(days=30)
"""How long a film that failed is kept for somebody to try again, and how long what is said of one
that was given up."""
_SETTLED = timedelta(hours=1)
_HAS_FILE = (*WAITING, State.FAILED)
_HAS_READING = exists().where(ReadingRow.id == QueueRow.id, ReadingRow.deleted_at.is_(None))
_COLUMNS = set(QueueRow.__table__.columns.keys())
log = logging.getLogger(__name__)


class Queue:
    """Films that arrived. Safe under threads and processes; raises what :class:`Store` raises.

    Parameters
    ----------
    data_dir
        The received files lie in its folder ``queue``.
    """

    def __init__(self, store: Store, data_dir: Path) -> None:
        self._store = store
        self._files = QueueFiles(data_dir / "queue")

    # --- arriving -------------------------------------------------------------------------------

    def add(self, data: bytes, key: str, source: Source, peer: str = "", address: str = "") -> bool:
        """Write a film down for good.

        Parameters
        ----------
        data
            The file as it came.
        key
            64 hex digits; the same for what is the same film.

        Returns
        -------
        False where it is here already: it waits, or is read. One that failed, or was given up, or
        whose reading was deleted since, is taken anew.
        """
        item_id = secrets.token_hex(16)
        with self._session("write down what was received") as session:
            before = session.scalar(select(QueueRow).where(QueueRow.key == key))
            if before is not None and (before.state in WAITING or self._is_read(session, before)):
                return False
            _make_durable(session)
            self._files.write(item_id, data)
            try:
                if before is not None:
                    session.delete(before)
                    session.flush()
                session.add(_new_row(item_id, key, source, peer, address))
                session.commit()
            except BaseException as error:
                self._files.delete(item_id)
                if isinstance(error, IntegrityError):  # another association was faster with it
                    return False
                raise
        if before is not None:
            self._delete_file(before.id)
        return True

    @staticmethod
    def _is_read(session: Session, row: QueueRow) -> bool:
        reading = select(ReadingRow.id).where(
            ReadingRow.id == row.id, ReadingRow.deleted_at.is_(None)
        )
        return row.state == State.DONE and session.scalar(reading) is not None

    # --- going on -------------------------------------------------------------------------------

    def only_worker(self) -> contextlib.AbstractContextManager[bool]:
        """Whether this process is the one that works through the queue; see QueueFiles."""
        return self._files.only_worker()

    @property
    def is_worked(self) -> bool:
        """Whether a process works through the queue at the moment."""
        with self._session("look into the queue"), self._files.only_worker() as is_free:
            return not is_free

    def take(self, state: State, limit: int) -> list[QueueItem]:
        """The next films whose turn has come, the first to arrive first; for the one worker.

        Each counts as tried from now on: what ends the process does so no more than so often.
        """
        now = datetime.now(UTC)
        query = select(QueueRow).where(QueueRow.state == state, QueueRow.next_at <= now)
        with self._session("look into the queue") as session:
            rows = list(session.scalars(query.order_by(QueueRow.sequence).limit(limit)))
            taken = []
            for row in rows:
                reading = select(ReadingRow.id).where(ReadingRow.id == row.id)
                if state is State.RECEIVED and session.scalar(reading):
                    _move(row, State.READ)  # a crash came between the reading and this row
                    continue
                row.attempts += 1
                row.next_at = now + pause(row.attempts)
                taken.append(_to_item(row))
            if rows:
                session.commit()
        return taken

    def data(self, item_id: str) -> bytes:
        """The file as it came. Raises ReceivedFileMissing."""
        with self._session("open what was received"):
            return self._files.read(item_id)

    def note_read(self, item_id: str) -> None:
        """Its reading is kept, under the same id."""
        with self._session("go on with the queue") as session:
            if row := _waiting(session, item_id):
                _move(row, State.READ)
                session.commit()

    def note_done(self, item_id: str, sent_to: str = "") -> None:
        """All is done; the file goes, once the reading is on the disk for good.

        Parameters
        ----------
        sent_to
            Where its results were sent; that goes into the audit log.
        """
        with self._session("go on with the queue") as session:
            _make_durable(session)  # what was committed before it, too
            if row := _waiting(session, item_id):
                _move(row, State.DONE)
                row.sent_to = sent_to[:64]
            if sent_to:
                append(session, Action.SENT, reading_id=item_id, subject=sent_to)
            session.commit()
        self._delete_file(item_id)

    def note_failure(self, item_id: str, error: DomainError, *, for_good: bool) -> None:
        """Keep why a step did not succeed; it is tried again unless for good, or too often."""
        with self._session("go on with the queue") as session:
            if row := _waiting(session, item_id):
                if for_good or row.attempts >= TRIES:
                    _move(row, State.FAILED)
                row.code, row.detail = error.code, error.detail
                session.commit()

    def hasten(self) -> None:
        """Let all that waits for a PACS be sent now: it answers again."""
        now = datetime.now(UTC)
        waits = (QueueRow.state == State.READ, QueueRow.next_at > now, QueueRow.code != "")
        with self._session("go on with the queue") as session:
            session.execute(update(QueueRow).where(*waits).values(next_at=now))
            session.commit()

    # --- looked at, and decided by people ---------------------------------------------------------

    def counts(self) -> dict[State, int]:
        """How many films stand at each state."""
        with self._session("look into the queue") as session:
            query = select(QueueRow.state, func.count()).group_by(QueueRow.state)
            found = {State(state): count for state, count in session.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def page(
        self, states: Sequence[State], *, before: int | None = None, limit: int
    ) -> list[QueueItem]:
        """At most so many films, the newest first, from below a sequence number."""
        query = select(QueueRow, _HAS_READING).where(QueueRow.state.in_(states))
        if before is not None:
            query = query.where(QueueRow.sequence < before)
        query = query.order_by(QueueRow.sequence.desc()).limit(limit)
        with self._session("look into the queue") as session:
            return [_to_item(row, has_reading) for row, has_reading in session.execute(query)]

    def retry(self, item_id: str | None = None) -> int:
        """Try a film again at once, or all that failed; returns how many.

        Raises QueueItemNotFound for one that neither waits nor failed.
        """
        return self._decide(item_id, Action.RETRY, _start_again)

    def give_up(self, item_id: str | None = None) -> int:
        """End with a film, or with all that failed: the file goes, a reading stays.

        Raises QueueItemNotFound for one that neither waits nor failed.
        """
        return self._decide(item_id, Action.GIVE_UP, _end)

    def _decide(
        self, item_id: str | None, action: Action, change: Callable[[QueueRow], None]
    ) -> int:
        which: ColumnElement[bool] = QueueRow.state == State.FAILED
        if item_id is not None:
            which = (QueueRow.id == item_id) & QueueRow.state.in_(_HAS_FILE)
        with self._session("change the queue") as session:
            rows = list(session.scalars(select(QueueRow).where(which)))
            if item_id is not None and not rows:
                raise QueueItemNotFound(
                    "There is no such film that waits or failed: it may be read and done by now. "
                    "Load the queue anew."
                )
            ids = [row.id for row in rows]
            for row in rows:
                change(row)
                append(session, action, reading_id=row.id, subject="film of the queue")
            session.commit()
        if action is Action.GIVE_UP:
            for done in ids:
                self._delete_file(done)
        return len(ids)

    # --- keeping house --------------------------------------------------------------------------

    def keep_house(self) -> None:
        """Give up what failed long ago, forget what is long over, and remove strayed files."""
        now = datetime.now(UTC)
        old = QueueRow.changed_at < now - KEPT
        with self._session("clear the queue") as session:
            for row in session.scalars(select(QueueRow).where(QueueRow.state == State.FAILED, old)):
                _end(row)
                append(session, Action.GIVE_UP, reading_id=row.id, subject="film of the queue")
            over = select(QueueRow).where(
                ((QueueRow.state == State.GIVEN_UP) & old)
                | ((QueueRow.state == State.DONE) & ~_HAS_READING)
            )
            for row in session.scalars(over):
                session.delete(row)
            session.commit()
            for item_id in list(self._files.older((now - _SETTLED).timestamp())):
                row_state = session.scalar(select(QueueRow.state).where(QueueRow.id == item_id))
                if row_state not in _HAS_FILE:
                    self._files.delete(item_id)

    def _delete_file(self, item_id: str) -> None:
        try:
            self._files.delete(item_id)
        except OSError as error:  # the next round of housekeeping tries again
            log.error("the received file of %s cannot be deleted: %s", item_id, error)

    def _session(self, doing: str) -> contextlib.AbstractContextManager[Session]:
        return self._store.session(doing)


def _make_durable(session: Session) -> None:
    """SQLite: from here on this connection's commits outlast a loss of power, with all before."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA synchronous = FULL")


def _new_row(item_id: str, key: str, source: Source, peer: str, address: str) -> QueueRow:
    row = QueueRow(id=item_id, key=key, source=source.value, peer=peer[:64], address=address[:45])
    row.sent_to = ""
    _move(row, State.RECEIVED)
    row.received_at = row.changed_at
    return row


def _waiting(session: Session, item_id: str) -> QueueRow | None:
    """A film's row; None where somebody gave it up meanwhile."""
    query = select(QueueRow).where(QueueRow.id == item_id, QueueRow.state.in_(WAITING))
    return session.scalar(query)


def _move(row: QueueRow, state: State) -> None:
    row.state, row.changed_at, row.attempts = state.value, datetime.now(UTC), 0
    row.next_at, row.code, row.detail = row.changed_at, "", ""


def _end(row: QueueRow) -> None:
    """Why it had failed stays."""
    row.state, row.changed_at = State.GIVEN_UP.value, datetime.now(UTC)


def _start_again(row: QueueRow) -> None:
    if row.state == State.FAILED:
        _move(row, State.RECEIVED)  # where it has a reading already, that is seen when it is taken
    row.attempts, row.next_at = 0, datetime.now(UTC)


def _to_item(row: QueueRow, has_reading: bool = False) -> QueueItem:
    fields = {name: getattr(row, name) for name in QueueItem.__dataclass_fields__.keys() & _COLUMNS}
    fields |= {"source": Source(row.source), "state": State(row.state)}
    return QueueItem(**fields, has_reading=has_reading)
