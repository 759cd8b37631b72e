"""The training commands; with ``terminal`` the only file of this package that talks to one.

Imports click alone, so that ``flask --help`` stays quick; torch comes with the command that runs.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pneumonia.errors import DataError, DomainError
from train.memory import keep_freed_memory
from train.options import (
    BEGINNING,
    DATA,
    DATASET,
    KEEPING,
    PATH,
    READERS,
    ROOT,
    SEED,
    SET,
    lungs_source,
    run_options,
    takes,
    weights_source,
)
from train.reporter import Silent
from train.terminal import Terminal, ending, fail

if TYPE_CHECKING:
    from train.reporter import Reporter


@click.command()
@takes(DATA)
@click.option("--recipe", help="A recipe's name (flask recipes lists them) or a .toml file.")
@takes(SET)
@click.option("--out", type=PATH, help="Bundle folder to write. [default: models/RECIPE]")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(1), help="Instead of the recipe's.")
@takes(*BEGINNING, READERS, SEED)
@click.option("--resume", metavar="RUN", type=PATH, help="Go on with this run's folder.")
@takes(*KEEPING)
@click.pass_context
def train(context: click.Context, /, **options: Any) -> None:
    """Train a network by a recipe and write it to models/ as a bundle."""
    with ending(context, "Where a run is named above, it goes on with: --resume RUN"):
        from train import ddp

        with ddp.process_group():
            card = _resume(context, options) if options["resume"] else _start(options)
            if not ddp.is_main():
                return
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
    from train import ddp, initial
    from train.loop import lung_run, run
    from train.recipes import dotted
    from train.recipes import recipe as recipes

    recipe = recipes.load(options["recipe"])
    changes = dotted.parse(options["set"])
    changes |= {f"training.{n}": options[n] for n in ("epochs", "batch_size") if options[n]}
    recipe = recipe.with_changes(changes)
    out = options["out"] or ROOT / "models" / recipe.name
    chosen = run_options(options, out=str(out.resolve()), workers=options["workers"])
    reporter = _reporter()
    if isinstance(recipe, recipes.LungRecipe):
        source = "imagenet" if chosen.init_weights == "auto" else chosen.init_weights
        return lung_run.start(
            recipe, replace(chosen, init_weights=source), options["runs"], reporter
        )
    with ddp.main_first():  # torchvision's may have to be fetched
        source = initial.choose_source(recipe, chosen.init_weights, reporter)
    return run.start(recipe, replace(chosen, init_weights=source), options["runs"], reporter)


def _reporter() -> "Reporter":
    """The terminal in the main process; the other processes of a distributed run are silent."""
    from train import ddp

    return Terminal() if ddp.is_main() else Silent()


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
        changes["init_weights"] = weights_source(options["init_weights"])
    if "lungs" in given:
        changes["lungs"] = lungs_source(options["lungs"])
    from train.loop import lung_run, run, runlog

    is_lungs = runlog.read_config(options["resume"])["recipe"].get("kind") == "lungs"
    resume = lung_run.resume if is_lungs else run.resume
    return resume(options["resume"], changes, _reporter())


@click.command()
@click.option("--data", type=PATH, required=True, help="Folder in the training layout.")
@takes(DATASET)
@click.option(
    "--split",
    required=True,
    help="train, val, test, all; validation or held-out: of the model's own split.",
)
@click.option(
    "--model",
    metavar="ID",
    default="default",
    envvar="PNEUMONIA_MODEL",
    help="A bundle's id, or its folder.",
)
@click.option(
    "--models-dir", type=PATH, default=ROOT / "models", envvar="PNEUMONIA_MODELS_DIR", hidden=True
)
@click.option("--out", type=PATH, help="Report folder. [default: runs/evaluation-ID-SPLIT]")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    envvar="PNEUMONIA_DEVICE",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "torch", "openvino"]),
    default="auto",
    envvar="PNEUMONIA_ENGINE",
    help="What runs the networks.",
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
@click.option(
    "--population",
    metavar="NAME",
    default="",
    help="Whose films to measure, where the model tells populations apart (child, adult), by their "
    "calibration; unknown: all, as if nobody said. [default: what the data says]",
)
@click.option("--record", metavar="NAME", help="Store the figures in the bundle's card as NAME.")
@click.option("--quick", is_flag=True, help="Leave out the altered films; minutes become seconds.")
def evaluate(**options: Any) -> None:
    """Measure a model on labelled films; write figures, plots and the evidence report."""
    keep_freed_memory()
    try:
        out = _evaluate(options)
    except DomainError as error:
        fail(error)
    click.echo(f"figures, predictions and plots are in {out}")
    click.echo(f"the evidence report is {out / 'evidence.html'}")


def _evaluate(options: dict[str, Any]) -> Path:
    """Evaluate and print the figures. Returns the folder of the report."""
    from pneumonia.analysis.card import read_card
    from pneumonia.analysis.predictor import Predictor
    from train.bundle import export
    from train.data import manifest, splits
    from train.evaluate.evaluate import assess
    from train.evaluate.population import choose_population
    from train.evaluate.predictions import Source
    from train.evaluate.text import summary

    folder = options["models_dir"] / options["model"]
    if not folder.is_dir() and Path(options["model"]).is_dir():
        folder = Path(options["model"])
    card = read_card(folder)
    radiographs = manifest.load(options["data"], options["dataset"])
    population, rows = choose_population(
        card,
        splits.select_rows(radiographs, options["split"], card),
        radiographs.declaration.population,
        options["population"],
    )
    if card.populations and not population and not options["population"]:
        Terminal().warn(
            f"The model calibrates {', '.join(card.populations)} apart, and the data does not say "
            "that all films are of one of these: they are read by the cautious limits for films "
            "of which nothing is known. Give --population to measure one."
        )
    predictor = Predictor.load(
        folder,
        options["device"],
        operating_point=options["operating_point"],
        population=population,
        engine=options["engine"],
    )
    if all(row.patient == row.file for row in rows):
        Terminal().warn(
            "The data does not say which films are of one patient: intervals count each film by "
            "itself. Give manifest.csv the column patient, or declare the data with --dataset."
        )
    out = options["out"] or Path("runs") / f"evaluation-{folder.name}-{options['split']}"
    report = assess(
        predictor,
        rows,
        Source.of(radiographs, options["split"], population),
        out,
        Terminal(),
        **{name: options[name] for name in ("quick", "batch_size", "on_bad_image")},
    )
    if options["record"]:
        export.record_evidence(folder, options["record"], report.summary())
    click.echo(summary(report))
    return out


@click.command()
@click.option("--model", metavar="DIR", type=PATH, required=True, help="The bundle's folder.")
@click.option(
    "--predictions",
    metavar="FILE",
    type=PATH,
    multiple=True,
    help="A predictions.csv of flask evaluate. May be repeated: of a film that several have, the "
    "last counts.",
)
@click.option(
    "--from-reviews",
    metavar="DIR",
    type=PATH,
    help="A folder of flask export-reviewed: calibrate on a clinic's own films instead, into a new "
    "bundle, if that is shown to be better.",
)
@click.option("--out", type=PATH, help="The new bundle's folder. [default: MODEL-site]")
@click.option(
    "--population",
    metavar="NAME",
    default="",
    help="With --from-reviews: whose calibration, where the films are of several (child, adult, "
    "unknown).",
)
def calibrate(
    model: Path,
    predictions: tuple[Path, ...],
    from_reviews: Path | None,
    out: Path | None,
    population: str,
) -> None:
    """Calibrate a bundle anew on films that no network learnt from.

    Probabilities, operating points and bands, for each population apart, from what networks said
    of films held out from their training. Films of whole sources that were left out of a training
    (split.leave_out) tell how scores shift where a film comes from a new place.

    With --from-reviews, on the films that a clinic's own reviewers saw. The bundle stays as it is:
    a new one is written, and only if cross-validation shows a gain.
    """
    if bool(predictions) == bool(from_reviews):
        raise click.UsageError("Give --predictions or --from-reviews.")
    if predictions and (out or population):
        raise click.UsageError("--out and --population belong to --from-reviews.")
    try:
        if from_reviews:
            from train.bundle import site

            to = out or model.with_name(f"{model.resolve().name}-site")
            card = site.calibrate_on_reviews(model, from_reviews, to, population)
            _tell_gain(card, to)
            return
        from train.bundle import held_out, measure

        card = measure.recalibrate(model, held_out.read(predictions))
    except DomainError as error:
        fail(error)
    apart = card["populations"] or {"all": card}
    for name, one in apart.items():
        figures = one["operating_points"]["balanced"]["validation"]
        click.echo(
            f"{name}: {figures['n']} films; balanced sensitivity "
            f"{figures['sensitivity']['value']:.3f}, specificity "
            f"{figures['specificity']['value']:.3f}, "
            f"{figures['share_in_band']:.0%} in the band"
        )


def _tell_gain(card: dict[str, Any], out: Path) -> None:
    """Before and after, each with its 95 % interval."""
    found = card["site_calibration"]
    before, after = found["before"], found["after"]
    lines = {"log loss": (before["log_loss"], after["log_loss"])}
    for point, old in before["operating_points"].items():
        new = after["operating_points"][point]
        for name in ("sensitivity", "specificity", "missed", "false_alarms", "share_in_band"):
            lines[f"{point}: {name.replace('_', ' ')}"] = old[name], new[name]
    for title, figures in lines.items():
        old, new = ("{value:.3f} ({0:.3f} to {1:.3f})".format(*f["ci95"], **f) for f in figures)
        click.echo(f"{title:<28} {old:<26} {new}")
    click.echo(
        f"{found['films']['n']} films; before, and after by cross-validation. The new bundle is "
        f"{out}. It is served once PNEUMONIA_MODEL names it."
    )


@click.command()
@click.option("--model", metavar="DIR", type=PATH, required=True, help="The bundle's folder.")
@takes(DATA, DATASET)
@click.option("--runs", type=PATH, default=Path("runs"), help="Where decoded films are kept.")
def gate(model: Path, data: Path | None, dataset: str, runs: Path) -> None:
    """Fit a bundle's gate to the films it learnt from: what is a chest film, and what is none.

    The limits become those of the recipe lungs; nothing else of the bundle changes. A training
    fits its own bundle's gate at its end.
    """
    from pneumonia.analysis.card import read_card
    from train.bundle import lungs
    from train.data import manifest, splits
    from train.data.squares import load_squares
    from train.recipes import recipe

    try:
        card = read_card(model)
        if card.lungs_sha256 is None:
            raise DataError(f"The model {card.id!r} has no lung network, and so no gate to fit.")
        if data is None:
            raise DataError("Give --data, the folder with the films it was trained on.")
        rows = splits.find_training_rows(manifest.load(data, dataset), card)
        terminal = Terminal()
        with terminal.bar("reading training films", len(rows)) as advance:
            rows, squares = load_squares(
                rows, card.preprocess.grid, runs / "cache", "stop", advance, terminal.warn
            )
        limits = recipe.load("lungs")
        assert isinstance(limits, recipe.LungRecipe)
        sources = [row.source for row in rows]
        found = lungs.fit_gate(model, squares, sources, limits.gate)
    except DomainError as error:
        fail(error)
    click.echo(f"{model}: the gate is fitted to {found['films']} films")


@click.command()
def recipes() -> None:
    """List the training recipes."""
    from train.recipes import recipe

    for name in recipe.names():
        found = recipe.load(name)
        click.echo(f"{name}: {found.title}")
        for key in ("paper", "reported", "differs"):
            click.echo(f"    {key}: {getattr(found, key)}")
