"""The training commands; the only file of this package that talks to a terminal.

Imports click alone, so that ``flask --help`` stays quick; torch comes with the command that runs.
"""

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

_PATH = click.Path(path_type=Path)
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
@click.option(
    "--lungs",
    metavar="DIR",
    help="Folder of the lung network to use and to ship, or none. [default: models/default]",
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
    keep_freed_memory()
    try:
        card = _resume(context, options) if options["resume"] else _start(options)
    except DomainError as error:
        _fail(error)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Where a run is named above, it goes on with: --resume RUN")
        context.exit(130)
    found = card["validation"]
    if "dice" in found:
        click.echo(
            f"wrote a lung network: validation Dice {found['dice']:.4f} on {found['n']} films"
        )
        return
    click.echo(
        f"wrote bundle {card['id']} ({card['weights']['sha256'][:12]}): validation AUROC "
        f"{found['auroc']['value']:.4f}, sensitivity {found['sensitivity']['value']:.3f} and "
        f"specificity {found['specificity']['value']:.3f} at the operating point"
    )


def _start(options: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("data", "recipe") if options[name] is None]
    if missing:
        raise click.UsageError(f"--{' and --'.join(missing)} must be given (or --resume RUN).")
    from train import lungs, run
    from train import recipe as recipes

    recipe = recipes.load(options["recipe"]).with_options(options["epochs"], options["batch_size"])
    chosen = run.Options(
        data=str(options["data"].resolve()),
        out=str((options["out"] or _ROOT / "models" / recipe.name).resolve()),
        init_weights=_weights_source(options["init_weights"] or "imagenet"),
        lungs=_lungs_source(options["lungs"]),
        **{
            name: options[name]
            for name in ("device", "workers", "seed", "on_bad_image", "on_patient_overlap")
        },
    )
    if isinstance(recipe, recipes.LungRecipe):
        return lungs.start(recipe, chosen, options["runs"], Terminal())
    return run.start(recipe, chosen, options["runs"], Terminal())


def _resume(context: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Only what cannot change the result may be given again; the rest is the run's own."""
    given = {
        name
        for name in options
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
    }
    fixed = given - {"resume", "device", "workers", "data", "out", "init_weights", "lungs"}
    if fixed:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(fixed))
        raise click.UsageError(f"{names} belong to the run that is resumed; leave them out.")
    changes = {name: options[name] for name in given & {"device", "workers"}}
    changes |= {name: str(options[name].resolve()) for name in given & {"data", "out"}}
    if "init_weights" in given:
        changes["init_weights"] = _weights_source(options["init_weights"])
    if "lungs" in given:
        changes["lungs"] = _lungs_source(options["lungs"])
    from train import lungs, run, runlog

    resume = lungs.resume if runlog.is_of_lungs(options["resume"]) else run.resume
    return resume(options["resume"], changes, Terminal())


def _weights_source(given: str) -> str:
    return given if given in ("imagenet", "none") else str(Path(given).resolve())


def _lungs_source(given: str | None) -> str:
    if given == "none":
        return given
    if given is not None:
        return str(Path(given).resolve())
    shipped = _ROOT / "models" / "default"
    return str(shipped) if (shipped / "lungs.json").is_file() else "none"


@click.command()
@click.option("--data", type=_PATH, required=True, help="Folder in the training layout.")
@click.option("--split", required=True, help="train, val, test, all, or validation (by patient).")
@click.option(
    "--model",
    metavar="ID",
    default="default",
    envvar="PNEUMONIA_MODEL",
    help="A bundle's id, or its folder.",
)
@click.option(
    "--models-dir", type=_PATH, default=_ROOT / "models", envvar="PNEUMONIA_MODELS_DIR", hidden=True
)
@click.option("--out", type=_PATH, help="Report folder. [default: runs/evaluation-ID-SPLIT]")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    envvar="PNEUMONIA_DEVICE",
)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--on-bad-image", type=click.Choice(["stop", "skip"]), default="stop", show_default=True
)
@click.option(
    "--operating-point",
    metavar="NAME",
    default="balanced",
    show_default=True,
    help="Of the bundle's operating points, the one that decides.",
)
@click.option("--record", metavar="NAME", help="Store the figures in the bundle's card as NAME.")
@click.option("--quick", is_flag=True, help="Leave out the altered films; minutes become seconds.")
def evaluate(**options: Any) -> None:
    """Measure a model on labelled films; write figures, plots and the evidence report."""
    keep_freed_memory()
    try:
        found, out = _evaluate(options)
    except DomainError as error:
        _fail(error)
    for name in ("accuracy", "sensitivity", "specificity", "precision", "f1", "auc", "ece"):
        value, (low, high) = found[name]["value"], found[name]["ci95"]
        text = "not defined" if value is None else f"{value:.4f}  [{low:.4f}, {high:.4f}]"
        click.echo(f"{name:12} {text}")
    click.echo(f"{found['n']} films; figures, predictions and plots are in {out}")
    click.echo(f"the evidence report is {out / 'evidence.html'}")


def _evaluate(options: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    from pneumonia.analysis.predictor import Predictor
    from train import assess, export, manifest, splits
    from train.evaluation import Source

    folder = options["models_dir"] / options["model"]
    if not folder.is_dir() and Path(options["model"]).is_dir():
        folder = Path(options["model"])
    predictor = Predictor.load(
        folder, options["device"], operating_point=options["operating_point"]
    )
    films = manifest.load(options["data"])
    rows = splits.select_rows(films, options["split"], predictor.card)
    out = options["out"] or Path("runs") / f"evaluation-{folder.name}-{options['split']}"
    figures, evidence = assess.assess(
        predictor,
        rows,
        Source.of(films, options["split"]),
        out,
        Terminal(),
        **{name: options[name] for name in ("quick", "batch_size", "on_bad_image")},
    )
    if options["record"]:
        export.record_evidence(folder, options["record"], evidence["summary"])
    return figures, out


@click.command()
def recipes() -> None:
    """List the training recipes."""
    from train import recipe

    for name in recipe.names():
        found = recipe.load(name)
        click.echo(f"{name}: {found.title}")
        for key in ("paper", "reported", "differs"):
            click.echo(f"    {key}: {getattr(found, key)}")
