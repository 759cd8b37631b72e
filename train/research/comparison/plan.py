"""What is compared: recipes with their changes, from a TOML file or a list of names."""

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pneumonia.errors import RecipeError
from train.options import weights_source
from train.recipes import dotted
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
_KEYS = {"name", "recipe", "set", "init_weights", "note"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the comparison.

    Attributes
    ----------
    name
        Unique in the plan; names folders, so letters, digits and ``. _ + -`` only.
    recipe
        With the changes made.
    planned_epochs
        The recipe's own, before the changes.
    init_weights
        A file, ``imagenet``, ``none``, or ``auto``: ImageNet's where they can be had.
    note
        For the reader of the table.
    """

    name: str
    recipe: Recipe
    planned_epochs: int
    init_weights: str
    changes: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def shown(self) -> str:
        """The name, and what of its network is not the recipe's: ``densenet161 (densenet169)``."""
        changed = {
            key.removeprefix("network."): value
            for key, value in self.changes.items()
            if key.startswith("network.")
        }
        words = [str(value) for key, value in changed.items() if key == "architecture"]
        words += [f"{key} {value}" for key, value in changed.items() if key != "architecture"]
        return f"{self.name} ({', '.join(words)})" if words else self.name


def load(path: Path, init_weights: str) -> tuple[Entry, ...]:
    """Read a plan: a table ``[[entry]]`` for each line of the comparison.

    ``recipe`` (a name, or a ``.toml`` file) is all an entry needs; ``name`` is then the recipe's.
    ``set`` holds its changes by dotted key. ``init_weights`` and ``note`` may be given; where an
    entry gives no ``init_weights``, the plan's own at the top counts, then what is passed here.

    Raises
    ------
    RecipeError
        Naming the entry that cannot be used. Nothing has been trained then.
    """
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"The plan {path} cannot be read ({error.strerror}).") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The plan {path} is not valid TOML: {error}.") from None
    unknown = sorted(set(plan) - {"entry", "init_weights"})
    entries = plan.get("entry")
    if unknown or not isinstance(entries, list) or not entries:
        raise RecipeError(
            f"The plan {path} must hold [[entry]] tables, and init_weights at most beside them"
            + (f"; it has {unknown[0]!r}." if unknown else ".")
        )
    usual = str(plan.get("init_weights", init_weights))
    return _distinct([_entry(n, values, usual) for n, values in enumerate(entries, 1)])


def of_recipes(names: Sequence[str], init_weights: str) -> tuple[Entry, ...]:
    """An entry for each recipe, as it is. Raises RecipeError for one that cannot be used."""
    return _distinct([_entry(n, {"recipe": name}, init_weights) for n, name in enumerate(names, 1)])


def _entry(number: int, values: Any, init_weights: str) -> Entry:
    where = f"Entry {number} of the plan"
    if not isinstance(values, dict) or not isinstance(values.get("recipe"), str):
        raise RecipeError(f"{where} must name a recipe: recipe = {recipes.names()[0]!r}.")
    where = f"{where} ({values.get('name', values['recipe'])})"
    if unknown := sorted(set(values) - _KEYS):
        known = ", ".join(sorted(_KEYS))
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}. Known: {known}.")
    changes = values.get("set", {})
    if not isinstance(changes, dict):
        raise RecipeError(f'{where}: set must be a table, as in set = {{"training.epochs" = 3}}.')
    changes = dotted.flatten(changes)
    try:
        plain = recipes.load(values["recipe"])
        recipe = plain.with_changes(changes) if changes else plain
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{where}: {values['recipe']} trains the lung network, no classifier.")
    return Entry(
        name=_name(values.get("name", recipe.name), where),
        recipe=recipe,
        planned_epochs=plain.training.epochs,
        init_weights=weights_source(str(values.get("init_weights", init_weights))),
        changes=changes,
        note=str(values.get("note", "")),
    )


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecipeError(
            f"{where}: the name {name!r} cannot name a folder. Use letters, digits, '-' and '.'."
        )
    return name


def _distinct(entries: list[Entry]) -> tuple[Entry, ...]:
    name, times = Counter(entry.name for entry in entries).most_common(1)[0]
    if times > 1:
        raise RecipeError(f"{times} entries of the plan are called {name!r}. Name them apart.")
    return tuple(entries)
