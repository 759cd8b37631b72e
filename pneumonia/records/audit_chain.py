"""Entries of the audit log, and how one is added: in the transaction of what it tells.

Each entry's hash covers the one before it, so that none can be changed, removed or put in between
without all later ones showing it. No entry holds anything of a patient: a reading is its id.
"""

import hashlib
import json
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import update
from sqlalchemy.orm import Session

from pneumonia.records.audit_tables import AuditHeadRow, AuditRow

HEAD_ID = 1
FIRST_HASH = "0" * 64
"""What the first entry follows."""


class Action(StrEnum):
    LOG_IN = "log-in"
    LOG_IN_FAILED = "log-in failed"
    LOCKED = "account locked"
    LOG_OUT = "log-out"
    UPLOAD = "upload"
    VIEW = "view"
    EXPORT = "export"
    REVIEW = "review"
    DELETE = "delete"
    DELETE_FROM_LIST = "delete from the worklist"
    BRING_BACK = "bring back"
    SENT = "results sent"
    RETRY = "try again"
    GIVE_UP = "give up"
    REFUSED = "refused"
    SETTINGS = "settings"
    USER_ADDED = "user added"
    USER_ROLE = "role changed"
    USER_DISABLED = "user disabled"
    USER_ENABLED = "user enabled"
    PASSWORD = "password changed"  # noqa: S105 - a word
    LINK = "link given"
    SIGN_IN_LINKED = "account given to a sign-in"
    SESSIONS_ENDED = "other log-ins ended"
    SESSION_ENDED = "log-in ended"
    USER_LOGGED_OUT = "user logged out"
    TOKEN_ADDED = "token added"  # noqa: S105 - a word
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - a word
    BACKUP = "backup"
    RESTORE = "restore"
    KEYS_ROTATED = "film keys rotated"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it.

    Attributes
    ----------
    name
        Of the account; ``""`` for a visitor whom nobody knows.
    via
        ``"browser"``, ``"token LABEL"``, ``"local"``, ``"command"``, ``"server"``, or the door by
        which another system's film came: ``"c-store AE_TITLE"``, ``"folder"``, ``"dicomweb HOST"``.
    address
        Of the client, where there is one.
    """

    name: str
    via: str
    address: str = ""


OPERATOR = Actor("operator", "command")
"""Whoever runs a command on the server."""
SERVER = Actor("server", "server")
RECEIVER = "receiver"
"""The name of whatever takes films from other systems; how and from whom is in ``via``."""

current_actor: ContextVar[Actor] = ContextVar("current_actor", default=OPERATOR)
"""Whose request is being answered in this thread; commands leave it as it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log; the order of the fields is that of the hash and never changes."""

    sequence: int
    at: datetime
    actor: str
    via: str
    address: str
    action: str
    reading_id: str
    subject: str

    def as_dict(self) -> dict[str, str | int]:
        return {
            "sequence": self.sequence,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": self.actor,
            "via": self.via,
            "address": self.address,
            "action": self.action,
            "reading_id": self.reading_id,
            "subject": self.subject,
        }

    def hash_after(self, previous: str) -> str:
        """SHA-256, 64 hex digits, of the hash before and of the entry as JSON."""
        text = json.dumps([previous, *self.as_dict().values()], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def append(
    session: Session,
    action: Action,
    *,
    reading_id: str = "",
    subject: str = "",
    actor: Actor | None = None,
) -> None:
    """Add an entry; it is kept when the session commits, with all else that is.

    Parameters
    ----------
    subject
        What was changed, where it is no reading: a user's name, say.
    actor
        Else the current one.
    """
    actor = actor or current_actor.get()
    # Whoever has changed the head row is alone until the commit, in SQLite as in PostgreSQL.
    sequence, previous = session.execute(
        update(AuditHeadRow)
        .where(AuditHeadRow.id == HEAD_ID)
        .values(sequence=AuditHeadRow.sequence + 1)
        .returning(AuditHeadRow.sequence, AuditHeadRow.hash)
        .execution_options(synchronize_session=False)
    ).one()
    entry = Entry(
        sequence,
        datetime.now(UTC),
        actor.name,
        actor.via,
        actor.address,
        action.value,
        reading_id,
        subject,
    )
    new = entry.hash_after(previous)
    # In the order of the fields, which are the columns.
    fields = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    session.add(AuditRow(**fields, hash=new))
    session.execute(
        update(AuditHeadRow)
        .where(AuditHeadRow.id == HEAD_ID)
        .values(hash=new)
        .execution_options(synchronize_session=False)
    )
