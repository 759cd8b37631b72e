"""A bounded amount of something that requests hold while they work, and wait for in turn."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from pneumonia.errors import Overloaded


class Budget:
    """So many units, lent out and given back. For any number of threads.

    Parameters
    ----------
    units
        Lent at once at most, beside what is small; who asks for more than all is lent all.
    small
        An amount up to this one is not counted and never waits.
    wait_s
        Longest wait for a turn.
    """

    def __init__(self, units: int, *, small: int, wait_s: float) -> None:
        self._units = self._left = units
        self._small = small
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()  # first come, first served

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait for a turn and until the amount is free; hold it for the length of the block.

        Raises
        ------
        Overloaded
            When it does not become free in time.
        """
        if amount <= self._small:
            yield
            return
        amount = min(amount, self._units)
        self._take(amount)
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()

    def _take(self, amount: int) -> None:
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                # Nobody overtakes: else a stream of smaller ones would starve a large one.
                is_free = self._changed.wait_for(
                    lambda: self._waiting[0] is turn and self._left >= amount, self._wait_s
                )
                if not is_free:
                    raise Overloaded(
                        "Other large images are being read, and there was no room for this one "
                        f"within {self._wait_s:g} seconds. Try again in a few seconds."
                    )
                self._left -= amount
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
