"""A film that another system sent, and how far it has come. Frozen values, no SQL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Source(StrEnum):
    """By which door a film came."""

    C_STORE = "c-store"
    FOLDER = "folder"
    DICOMWEB = "dicomweb"


class State(StrEnum):
    """How far a film of the queue has come."""

    RECEIVED = "received"
    """It waits to be read."""
    READ = "read"
    """Its results wait to be sent."""
    DONE = "done"
    """It is read, and its results are sent where they go anywhere."""
    FAILED = "failed"
    """It is not tried again by itself."""
    GIVEN_UP = "given up"
    """Somebody decided so, or it had failed long ago."""


WAITING = (State.RECEIVED, State.READ)
TRIES = 150
"""Of one step, some three days: a PACS that is down over a weekend loses nothing."""
_FIRST_PAUSE_S = 5
_LONGEST_PAUSE_S = 30 * 60


def pause(attempts: int) -> timedelta:
    """How long a film waits after so many attempts, from 1 on: 5 s, doubled up to half an hour."""
    return timedelta(seconds=min(_FIRST_PAUSE_S * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE_S))


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One film of the queue. Nothing in it is the patient's.

    Attributes
    ----------
    sequence
        Its place: 1, 2, ... in the order of arrival.
    id
        32 hex digits; the reading that is made of it has the same, so that no crash doubles it.
    peer
        AE title or host that it came from; empty for a folder.
    address
        Of the peer, where there is one.
    attempts
        At the step it stands at.
    next_at
        When that step is tried next.
    code, detail
        Of the last failure, as a :class:`DomainError` says it; empty where there is none.
    sent_to
        Where its results are; empty where they went nowhere.
    has_reading
        Whether its reading can be looked at.
    """

    sequence: int
    id: str
    source: Source
    peer: str
    address: str
    state: State
    received_at: datetime
    changed_at: datetime
    attempts: int
    next_at: datetime
    code: str = ""
    detail: str = ""
    sent_to: str = ""
    has_reading: bool = False
