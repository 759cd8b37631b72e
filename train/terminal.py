"""What a person sees of a command in a terminal: lines, warnings, bars, and how it ended."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from tqdm import tqdm

from pneumonia.errors import DomainError
from train.memory import keep_freed_memory

_LINE = "{desc}: {n_fmt}/{total_fmt}  {rate_fmt}  {remaining} left\n"
_ROOT = Path(__file__).resolve().parent.parent


class Terminal:
    """A reporter for a person: lines on standard output, bars and warnings on standard error."""

    def line(self, text: str) -> None:
        click.echo(text)

    def warn(self, text: str) -> None:
        click.echo(f"warning: {text}", err=True)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        # A log file gets a line now and then.
        in_log: dict[str, Any] = {"bar_format": _LINE, "mininterval": 30.0}
        style = {} if sys.stderr.isatty() else in_log
        with tqdm(desc=label, total=total, unit=" films", file=sys.stderr, **style) as progress:
            yield lambda n: progress.update(n) and None


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
