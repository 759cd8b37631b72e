"""Results of a search: all trials as a table, and the best settings as a recipe."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.files import replacing, write_text
from train.recipes import dotted
from train.research.comparison.table import number, table
from train.research.search.plan import FIGURES, Search
from train.research.search.space import split_by_patient

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def best(trials: Sequence["FrozenTrial"]) -> "FrozenTrial | None":
    """Of trials with the best first; None while none has ended well."""
    return trials[0] if trials and trials[0].value is not None else None


def paths(plan: Search) -> dict[str, Path]:
    """Where :func:`write` puts the table, its CSV and the recipe."""
    names = {"table": "{}.md", "csv": "{}.csv", "recipe": "{}-best.toml"}
    return {what: plan.file.parent / name.format(plan.space.name) for what, name in names.items()}


def write(plan: Search, trials: Sequence["FrozenTrial"]) -> None:
    """Write ``NAME.md``, ``NAME.csv`` and, once a trial is through, ``NAME-best.toml``.

    Parameters
    ----------
    trials
        Settled ones, the best first and those that failed last.
    """
    where = paths(plan)
    write_text(where["table"], _markdown(plan, trials))
    _write_csv(plan, trials, where["csv"])
    if found := best(trials):
        write_text(where["recipe"], _recipe(plan, found, len(trials)))


def _markdown(plan: Search, trials: Sequence["FrozenTrial"]) -> str:
    keys = _keys(plan, trials)
    rows = []
    for trial in trials:
        kept, tried = trial.user_attrs, plan.space.settings(trial.params)
        cells = [number(kept.get(figure), 4) for figure in FIGURES]
        if "reason" in kept:
            cells[0] = f"failed: {kept['reason']}"
        rest = [kept.get(key, "–") for key in ("best_epoch", "seconds")]
        rows.append([trial.number, *cells, *rest, *(_cell(tried.get(key)) for key in keys)])
    figures = [figure.removeprefix("val_") for figure in FIGURES]
    short = [key.rpartition(".")[2].replace("_", " ") for key in keys]
    failed = sum(trial.value is None for trial in trials)
    data = Path(plan.options.data).name
    return f"""\
# {plan.space.title}

{len(trials)} of {plan.wanted} trials{f", {failed} of them failed" if failed else ""}; \
films: `{data}`, split by patient. The figures are of the validation films, at a
probability of 0.5; the best trial is the first, by {plan.space.choose}. Goes on with:

```bash
{plan.command}
```

{table(["Trial", *figures, "best epoch", "seconds", *short], rows)}
"""


def _write_csv(plan: Search, trials: Sequence["FrozenTrial"], path: Path) -> None:
    keys, kept = _keys(plan, trials), [*FIGURES, "best_epoch", "seconds", "reason"]
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        head = ["trial", *kept, *keys]
        writer = csv.DictWriter(file, head, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for trial in trials:
            tried = plan.space.settings(trial.params)
            lists = {k: dotted.literal(v) for k, v in tried.items() if isinstance(v, list | tuple)}
            writer.writerow({"trial": trial.number} | trial.user_attrs | tried | lists)


def _recipe(plan: Search, trial: "FrozenTrial", n_trials: int) -> str:
    """The settings of a trial over the recipe they were found for, without the search's budget."""
    space = plan.space
    tried = split_by_patient() | plan.changes | space.settings(trial.params)
    words = f"the best of {n_trials} trials by validation {space.choose} ({number(trial.value, 4)})"
    budget = dotted.as_words(dotted.flatten(space.budget))
    return f"""\
# Made by: {plan.command}
base = {dotted.literal(space.recipe)}
title = {dotted.literal(f"{space.title}: {words}")}
differs = {dotted.literal(f"settings found by search{f', trained with {budget}' * bool(budget)}")}

{dotted.as_tables(tried)}"""


def _keys(plan: Search, trials: Sequence["FrozenTrial"]) -> list[str]:
    """Dotted keys that any trial tried, in the order of the space."""
    return list(dict.fromkeys(k for t in trials for k in plan.space.settings(t.params)))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else dotted.literal(value)
