"""A bounded amount of something that requests hold while they work, and wait for in turn."""

import threading
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
        self._given_back = threading.Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until the amount is free, and hold it for the length of the block.

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
            with self._given_back:
                self._left += amount
                self._given_back.notify_all()

    def _take(self, amount: int) -> None:
        with self._given_back:
            if not self._given_back.wait_for(lambda: self._left >= amount, self._wait_s):
                raise Overloaded(
                    "Other large images are being read, and there was no room for this one within "
                    f"{self._wait_s:g} seconds. Try again in a few seconds."
                )
            self._left -= amount
