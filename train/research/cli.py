"""The researcher's commands, ``flask compare`` and ``flask search``.

Imports click alone, so that ``flask --help`` stays quick; torch comes with the command that runs.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pneumonia.errors import RunError
from train.options import BEGINNING, DATA, KEEPING, PATH, READERS, SEED, SET, run_options, takes
from train.terminal import Terminal, command_line, ending

_GOES_ON = "The same command goes on from here; what is finished stays."


@click.command()
@takes(DATA)
@click.option("--plan", type=PATH, metavar="FILE", help="A .toml file of entries to compare.")
@click.option("--recipes", metavar="A,B,...", help="Or recipes as they are.")
@click.option("--out", type=PATH, help="Folder of the report. [default: RUNS/compare]")
@takes(*BEGINNING, READERS, SEED, *KEEPING)
@click.pass_context
def compare(context: click.Context, /, **options: Any) -> None:
    """Train recipes under their papers' splits and by patient, and lay them side by side."""
    if options["data"] is None or bool(options["plan"]) == bool(options["recipes"]):
        raise click.UsageError("--data, and either --plan or --recipes, must be given.")
    with ending(context, _GOES_ON):
        out = options["out"] or options["runs"] / "compare"
        failed = _compare(options, out, command_line(context))
    click.echo(f"the comparison is {out / 'comparison.md'}")
    if failed:
        words = "training failed; the same command tries it"
        if failed > 1:
            words = "trainings failed; the same command tries them"
        click.echo(f"{failed} {words} again")
        context.exit(1)


def _compare(options: dict[str, Any], out: Path, command: str) -> int:
    """Returns how many trainings failed."""
    from train import initial
    from train.data import manifest
    from train.research.comparison import plan, report
    from train.research.comparison.comparison import Comparison

    usual, reporter = options["init_weights"] or "auto", Terminal()
    if options["plan"]:
        entries = plan.load(options["plan"], usual)
    else:
        entries = plan.of_recipes(options["recipes"].split(","), usual)
    entries = tuple(
        replace(e, init_weights=initial.choose_source(e.recipe, e.init_weights, reporter))
        for e in entries
    )
    chosen = run_options(options, workers=options["workers"])
    radiographs = manifest.load(options["data"], options["dataset"])
    comparison = Comparison(entries, radiographs, chosen, options["runs"])
    rows = report.run_and_report(comparison, out, command, reporter)
    return sum(len(row.failures()) for row in rows)


@click.command()
@takes(DATA)
@click.option("--space", required=True, help="A search space's name, or a .toml file.")
@click.option(
    "--trials", type=click.IntRange(1), help="Of the whole search. [default: the space's]"
)
@click.option("--study", type=PATH, metavar="FILE", help="[default: RUNS/search/SPACE.db]")
@click.option(
    "--workers", type=click.IntRange(1), default=1, help="Processes that search together."
)
@takes(SET, *BEGINNING, SEED, *KEEPING)
@click.pass_context
def search(context: click.Context, /, **options: Any) -> None:
    """Try a recipe's settings, choosing on validation films alone, split by patient."""
    if options["data"] is None:
        raise click.UsageError("--data must be given.")
    with ending(context, _GOES_ON):
        if importlib.util.find_spec("optuna") is None:
            raise RunError(
                "flask search needs Optuna, which is not installed: "
                "pip install -r requirements-research.txt"
            )
        _search(options, command_line(context))


def _search(options: dict[str, Any], command: str) -> None:
    from train import initial
    from train.recipes import dotted
    from train.research.search import results, space
    from train.research.search.plan import Search
    from train.research.search.workers import run_search

    found_space = space.load(options["space"])
    file = options["study"] or options["runs"] / "search" / f"{found_space.name}.db"
    size = found_space.size
    wanted = min(options["trials"] or size, size) if found_space.grid else options["trials"] or size
    chosen = run_options(options)
    changes = dotted.parse(options["set"])
    recipe = space.base(found_space, changes)
    source = initial.choose_source(recipe, chosen.init_weights, Terminal())
    plan = Search(
        space=found_space,
        file=file.resolve(),
        options=replace(chosen, init_weights=source),
        changes=changes,
        runs=options["runs"],
        wanted=wanted,
        command=command,
    )
    trials = run_search(plan, options["workers"], Terminal())
    paths = results.paths(replace(plan, file=file))
    click.echo(f"the trials are in {paths['table']} and {paths['csv']}")
    if results.best(trials) is not None:
        click.echo(f"the best settings are the recipe {paths['recipe']}")
