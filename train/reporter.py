"""What a run tells whoever started it. The terminal is one listener; a test is another."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Reporter(Protocol):
    def line(self, text: str) -> None:
        """One line of the log."""

    def warn(self, text: str) -> None:
        """A line that deserves a look."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar over ``total`` films; call what it yields with how many are done."""


class Silent:
    """Says nothing: one of several processes speaks for all."""

    def line(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        del label, total
        return nullcontext(lambda _: None)
