"""What a search found: all trials as a table, and the best settings as a recipe."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.files import write_text
from train.recipes import dotted
from train.research.comparison.line import number
from train.research.search.space import Space
from train.research.search.trial import FIGURES

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class Found:
    """A search as it stands.

    Attributes
    ----------
    trials
        The best first, those that failed last.
    wanted
        How many trials the whole search has.
    changes
        Settings of every trial beside the space's, by dotted key.
    command
        The command line that goes on with it.
    """

    space: Space
    trials: Sequence["FrozenTrial"]
    wanted: int
    changes: dict[str, Any]
    data: str
    command: str

    @property
    def best(self) -> "FrozenTrial | None":
        return self.trials[0] if self.trials and self.trials[0].value is not None else None


def paths(found: Found, folder: Path) -> dict[str, Path]:
    """Where :func:`write` puts the table, its CSV and the recipe."""
    names = {"table": "{}.md", "csv": "{}.csv", "recipe": "{}-best.toml"}
    return {what: folder / name.format(found.space.name) for what, name in names.items()}


def write(found: Found, folder: Path) -> None:
    """Write ``NAME.md``, ``NAME.csv`` and, once a trial is through, ``NAME-best.toml``."""
    where = paths(found, folder)
    write_text(where["table"], markdown(found))
    write_text(where["csv"], as_csv(found))
    if found.best is not None:
        write_text(where["recipe"], as_recipe(found, found.best))


def markdown(found: Found) -> str:
    settings = _settings(found)
    figures = [figure.removeprefix("val_") for figure in FIGURES]
    head = ["Trial", *figures, "best epoch", "seconds", *(_short(key) for key in settings)]
    rows = [head, ["---"] * len(head)]
    for trial in found.trials:
        kept, tried = trial.user_attrs, found.space.found(trial.params)
        cells = [number(kept.get(figure), 4) for figure in FIGURES]
        if "reason" in kept:
            cells[0] = f"failed: {kept['reason']}"
        rest = [str(kept.get(key, "–")) for key in ("best_epoch", "seconds")]
        rows.append([str(trial.number), *cells, *rest, *(_cell(tried.get(k)) for k in settings)])
    table = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in row)} |" for row in rows)
    failed = sum(trial.value is None for trial in found.trials)
    return f"""\
# {found.space.title}

{len(found.trials)} of {found.wanted} trials{f", {failed} of them failed" if failed else ""}; \
films: `{found.data}`, split by patient. The figures are of the validation films, at a probability
of 0.5; the best trial is the first, by {found.space.choose}. Goes on with:

```bash
{found.command}
```

{table}
"""


def as_csv(found: Found) -> str:
    settings = _settings(found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kept = [*FIGURES, "best_epoch", "seconds", "reason"]
    writer.writerow(["trial", *kept, *settings])
    for trial in found.trials:
        tried = found.space.found(trial.params)
        cells = [tried.get(key) for key in settings]
        cells = [dotted.literal(c) if isinstance(c, list | tuple) else c for c in cells]
        writer.writerow([trial.number, *(trial.user_attrs.get(key) for key in kept), *cells])
    return text.getvalue()


def as_recipe(found: Found, best: "FrozenTrial") -> str:
    """The settings of a trial over the recipe they were found for, without the search's budget."""
    space = found.space
    tried = found.changes | space.found(best.params)
    value = number(best.value, 4)
    budget = dotted.as_words(dotted.flatten(space.budget))
    words = f"the best of {len(found.trials)} trials by validation {space.choose} ({value})"
    return f"""\
# Made by: {found.command}
base = {dotted.literal(space.recipe)}
title = {dotted.literal(f"{space.title}: {words}")}
differs = {dotted.literal(f"settings found by search{f', trained with {budget}' * bool(budget)}")}

{dotted.as_tables(tried)}"""


def _settings(found: Found) -> list[str]:
    """Dotted keys that any trial tried, in the order of the space."""
    return list(dict.fromkeys(k for t in found.trials for k in found.space.found(t.params)))


def _short(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else dotted.literal(value)
