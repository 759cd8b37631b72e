"""How many uploads are let in at once: as many as this machine answers within a bound."""

import time
from dataclasses import dataclass

from pneumonia.telemetry import UPLOADS_ALLOWED, UPLOADS_IN_WORK

_WEIGHT = 0.1  # of the newest upload in the mean
_LEAST = 2  # one that is in work, and one that comes in the same moment


@dataclass(eq=False, slots=True)
class Ticket:
    """One upload that was let in."""

    beside: int  # in work at its arrival, itself among them
    since: float


class Admission:
    """Counts what is in work, and learns from what was answered. For one thread: the loop.

    In turn, the one that finds n - 1 before it is answered when n are: what it took, divided by n,
    is what one upload costs this machine (Little's law), whatever threads and batches share.

    Parameters
    ----------
    most
        Let in at once at most, however fast the machine; and until it has shown what it can.
    within_s
        How long the last one let in should take.
    """

    def __init__(self, most: int, within_s: float) -> None:
        self._most, self._within_s = most, within_s
        self._each_s = within_s / most
        self.in_work = 0
        UPLOADS_ALLOWED.set(self.allowed)

    @property
    def allowed(self) -> int:
        """At once; at least two, however slow the machine."""
        return min(self._most, max(_LEAST, int(self._within_s / self._each_s)))

    def admit(self) -> Ticket | None:
        """Let one more in; None where it would take too long."""
        if self.in_work >= self.allowed:
            return None
        self.in_work += 1
        UPLOADS_IN_WORK.set(self.in_work)
        return Ticket(self.in_work, time.monotonic())

    def leave(self, ticket: Ticket, *, was_answered: bool) -> None:
        """Count one out; only what was answered well tells how fast the machine is."""
        self.in_work -= 1
        UPLOADS_IN_WORK.set(self.in_work)
        if was_answered:
            took_s = min((time.monotonic() - ticket.since) / ticket.beside, self._within_s)
            self._each_s += _WEIGHT * (took_s - self._each_s)
            UPLOADS_ALLOWED.set(self.allowed)
