"""The training commands; the only file of this package that talks to a terminal.

Imports click alone, so that ``flask --help`` stays quick; torch comes with the command that runs.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from pneumonia.errors import DomainError

_PATH = click.Path(path_type=Path)


class Terminal:
    """A reporter for a person: lines on standard output, bars and warnings on standard error."""

    def line(self, text: str) -> None:
        click.echo(text)

    def warn(self, text: str) -> None:
        click.echo(f"warning: {text}", err=True)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        import time

        started, done = time.monotonic(), 0

        def rate(_: Any) -> str:
            return f"{done / max(time.monotonic() - started, 1e-3):.1f} films/s"

        with click.progressbar(
            length=total, label=label, item_show_func=rate, file=sys.stderr, show_pos=True
        ) as progress:

            def advance(n: int) -> None:
                nonlocal done
                done += n
                progress.update(n, n)

            yield advance


def _fail(error: DomainError) -> NoReturn:
    raise click.ClickException(str(error))


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@click.command()
@click.option("--data", type=_PATH, help="Folder with train|val|test/NORMAL|PNEUMONIA.")
@click.option("--recipe", help="A recipe's name (flask recipes lists them) or a .toml file.")
@click.option("--out", type=_PATH, help="Bundle folder to write. [default: models/RECIPE]")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option(
    "--init-weights",
    metavar="FILE",
    help="A .safetensors file, imagenet (torchvision's, fetched) or none. [default: imagenet]",
)
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes that read films.")
@click.option("--seed", type=int, default=0)
@click.option("--resume", metavar="RUN", type=_PATH, help="Go on with this run's folder.")
@click.option("--runs", type=_PATH, default=Path("runs"), help="Where run folders are kept.")
@click.option(
    "--on-bad-image", type=click.Choice(["stop", "skip"]), default="stop", show_default=True
)
@click.option(
    "--on-patient-overlap",
    type=click.Choice(["stop", "drop", "keep"]),
    default="stop",
    show_default=True,
    help="For patients in two of train, val and test.",
)
@click.pass_context
def train(context: click.Context, /, **options: Any) -> None:
    """Train a network by a recipe and write it to models/ as a bundle."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        card = _resume(context, options) if options["resume"] else _start(options)
    except DomainError as error:
        _fail(error)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. The run goes on with: --resume RUN (its folder is above)")
        context.exit(130)
    found = card["validation"]
    click.echo(
        f"wrote bundle {card['id']} ({card['weights']['sha256'][:12]}): validation AUROC "
        f"{found['auroc']['value']:.4f}, sensitivity {found['sensitivity']['value']:.3f} and "
        f"specificity {found['specificity']['value']:.3f} at the operating point"
    )


def _start(options: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("data", "recipe") if options[name] is None]
    if missing:
        raise click.UsageError(f"--{' and --'.join(missing)} must be given (or --resume RUN).")
    from train import run

    recipe = run.load_recipe(options["recipe"], options["epochs"], options["batch_size"])
    chosen = run.Options(
        data=str(options["data"].resolve()),
        out=str((options["out"] or Path("models") / recipe.name).resolve()),
        init_weights=_weights_source(options["init_weights"] or "imagenet"),
        **{
            name: options[name]
            for name in ("device", "workers", "seed", "on_bad_image", "on_patient_overlap")
        },
    )
    return run.start(recipe, chosen, options["runs"], Terminal())


def _resume(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Only what cannot change the result may be given again; the rest is the run's own."""
    given = {
        name
        for name in options
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
    }
    fixed = given & {"recipe", "epochs", "batch_size", "seed", "on_bad_image", "runs"}
    if fixed:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(fixed))
        raise click.UsageError(f"{names} belong to the run that is resumed; leave them out.")
    changes = {name: options[name] for name in given & {"device", "workers"}}
    changes |= {name: str(options[name].resolve()) for name in given & {"data", "out"}}
    if "init_weights" in given:
        changes["init_weights"] = _weights_source(options["init_weights"])
    from train import run

    return run.resume(options["resume"], changes, Terminal())


def _weights_source(given: str) -> str:
    return given if given in ("imagenet", "none") else str(Path(given).resolve())


@click.command()
def recipes() -> None:
    """List the training recipes."""
    from train import recipe

    for name in recipe.names():
        found = recipe.load(name)
        click.echo(f"{name}: {found.title}")
        for key in ("paper", "reported", "differs"):
            click.echo(f"    {key}: {getattr(found, key)}")
