"""What a person sees of a command in a terminal: lines, warnings, bars, and how it ended."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from pneumonia.errors import DomainError
from train.memory import keep_freed_memory

_ROOT = Path(__file__).resolve().parent.parent


class Terminal:
    """A reporter for a person: lines on standard output, bars and warnings on standard error."""

    def line(self, text: str) -> None:
        click.echo(text)

    def warn(self, text: str) -> None:
        click.echo(f"warning: {text}", err=True)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        pace = Pace(total)
        if not sys.stderr.isatty():  # a log file: a line now and then
            yield lambda n: self._tick(label, pace, n)
            return
        shown: Any = click.progressbar(
            length=total,
            label=label,
            item_show_func=lambda _: pace.rate,
            file=sys.stderr,
            show_pos=True,
        )
        with shown as progress:

            def advance(n: int) -> None:
                pace.add(n)
                progress.update(n, n)

            yield advance

    @staticmethod
    def _tick(label: str, pace: "Pace", n: int) -> None:
        if pace.add(n):
            click.echo(f"{label}: {pace}", err=True)


class Pace:
    """How fast films go by, and how long the rest will take."""

    def __init__(self, total: int, every_s: float = 30.0) -> None:
        self._total, self._every_s = total, every_s
        self._done = 0
        self._started = self._told = time.monotonic()

    def add(self, n: int) -> bool:
        """Count n films more. True when it is time to say so again."""
        self._done += n
        due = time.monotonic() - self._told >= self._every_s
        if due:
            self._told = time.monotonic()
        return due

    @property
    def _per_s(self) -> float:
        return self._done / max(time.monotonic() - self._started, 1e-3)

    @property
    def rate(self) -> str:
        return f"{self._per_s:.1f} films/s"

    def __str__(self) -> str:
        left_s = (self._total - self._done) / max(self._per_s, 1e-3)
        return f"{self._done}/{self._total}  {self.rate}  {left_s / 60:.1f} min left"


def fail(error: DomainError) -> NoReturn:
    """End the command with the error's sentence and exit status 1."""
    raise click.ClickException(str(error))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def ending(context: click.Context, advice: str) -> Iterator[None]:
    """How a long command ends before its time: with a sentence, and a way to go on."""
    signal.signal(signal.SIGTERM, _interrupt)
    keep_freed_memory()
    try:
        yield
    except DomainError as error:
        fail(error)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. {advice}")
        context.exit(130)


def command_line(context: click.Context) -> str:
    """As it was given, with paths as :func:`shown_path`: reports are shared."""
    words = ["flask", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) != click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for each in value if isinstance(value, tuple) else (value,):
            is_path = isinstance(each, Path) or (isinstance(each, str) and Path(each).is_absolute())
            words += [parameter.opts[0], shown_path(Path(each)) if is_path else str(each)]
    return shlex.join(words)


def shown_path(path: Path) -> str:
    """A path as a reader of a report can use it, without where this machine keeps things.

    Relative to the working directory, or to the project, where it lies inside or beside it; from
    anywhere else its name alone.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they were given
    for base in (Path.cwd(), _ROOT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
        # Beside the root of the disk lies everything.
        if base.parent != base.parent.parent and path.is_relative_to(base.parent):
            return str(Path("..") / path.relative_to(base.parent))
    return path.name
