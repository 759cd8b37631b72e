"""How long readings are kept: deleted by age, and what a crash left behind swept up."""

import logging
import re
import threading
from datetime import UTC, datetime, timedelta

from pneumonia.errors import BadParameter, DomainError, ReadingNotFound
from pneumonia.records import Store
from pneumonia.records.audit_chain import SERVER, current_actor
from pneumonia.records.worklist import Worklist

_AGE = re.compile(r"(\d{1,6})\s*(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_ROUND_S = 3600.0
# Longer than anything takes between a film's file and its row, in whatever process.
_SETTLED = timedelta(hours=1)
log = logging.getLogger(__name__)


def parse_age(text: str) -> timedelta:
    """``90d``, ``12h`` or ``2w``. Raises BadParameter for anything else, and for nothing at all."""
    match = _AGE.fullmatch(text.strip().lower())
    if not match or not int(match[1]):
        raise BadParameter(
            f"The age is {text[:40]!r}; it must be a number of hours, days or weeks, such as 12h, "
            "90d or 2w."
        )
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def purge(store: Store, age: timedelta) -> int:
    """Delete every reading older than this, row and film; returns how many.

    Raises
    ------
    StorageUnavailable
        Where one cannot be deleted; those before it are gone.
    """
    deleted = 0
    for reading_id in store.find_older(datetime.now(UTC) - age):
        try:
            store.delete(reading_id)
        except ReadingNotFound:  # somebody else was faster
            continue
        deleted += 1
    return deleted


def sweep(store: Store) -> int:
    """Remove films whose row was never written; returns how many."""
    return store.sweep(datetime.now(UTC) - _SETTLED)


def keep_house(store: Store, keep_days: int, over: threading.Event) -> None:
    """Sweep, and purge where days are given, and what was deleted from the worklist long ago.

    Now and once an hour, until it is over.
    """
    current_actor.set(SERVER)
    while True:
        try:
            swept = sweep(store)
            deleted = purge(store, timedelta(days=keep_days)) if keep_days else 0
            Worklist(store).purge()
            if swept or deleted:
                log.info("deleted %d readings by age; swept %d films", deleted, swept)
        except DomainError as error:
            log.error("housekeeping: %s", error)  # the next round tries again
        if over.wait(_ROUND_S):
            return
