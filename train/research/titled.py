"""Reporter of one of many trainings, each of whose lines says which."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from train.reporter import Reporter


@dataclass(frozen=True, slots=True)
class TitledReporter:
    """Puts a title before whatever is said; ``quiet``: only warnings and long waits, no epochs."""

    reporter: Reporter
    title: str
    quiet: bool = False

    def line(self, text: str) -> None:
        if not self.quiet:
            self.reporter.line(f"[{self.title}] {text}")

    def warn(self, text: str) -> None:
        self.reporter.warn(f"[{self.title}] {text}")

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        if self.quiet and label.startswith(("epoch", "validation")):
            return nullcontext(lambda _: None)
        return self.reporter.bar(f"[{self.title}] {label}", total)
