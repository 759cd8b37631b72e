"""What is searched: a recipe and the settings to try, as data (``spaces/*.toml``)."""

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pneumonia.errors import RecipeError
from train.recipes import dotted, tables
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe
from train.research.comparison.protocol import BY_PATIENT

FOLDER = Path(__file__).parent / "spaces"
Value = str | int | float | bool


class Suggests(Protocol):
    """What is asked of an Optuna trial."""

    def suggest_categorical(self, name: str, choices: list[Any], /) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool) -> int: ...
    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool) -> float: ...


@dataclass(frozen=True, slots=True)
class Range:
    """One setting: between ``low`` and ``high`` (maybe ``whole`` numbers), or some ``choices``."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices and not self.low < self.high:
            raise ValueError("it needs low below high, or choices")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; on a logarithmic scale it must be above 0")

    def suggest(self, trial: Suggests, name: str) -> Any:
        if self.choices:
            return trial.suggest_categorical(name, list(self.choices))
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Space:
    """The settings to try.

    Attributes
    ----------
    recipe
        Whose settings they are.
    choose
        The validation figure that is best when largest; of ``loss``, when smallest.
    grid
        By axis and by name on it: settings that go together. Every combination is tried once.
    ranges
        By dotted key: what is drawn from, in ``trials`` trials. A space has a grid or ranges.
    budget
        Settings of the search alone, so that a trial is short; not part of what is found.
    """

    name: str
    title: str
    recipe: str
    choose: Literal["auroc", "accuracy", "loss"]
    paper: str = ""
    trials: int = 0
    grid: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.grid) == bool(self.ranges):
            raise ValueError("it must have either a grid or ranges")
        if self.ranges and self.trials < 1:
            raise ValueError("with ranges it must say how many trials")

    @property
    def size(self) -> int:
        """Trials of the whole search: all combinations of a grid, or as many as the space says."""
        if not self.grid:
            return self.trials
        return math.prod(len(axis) for axis in self.grid.values())

    @property
    def axes(self) -> dict[str, list[str]]:
        return {axis: list(ways) for axis, ways in self.grid.items()}

    @property
    def direction(self) -> str:
        return "minimize" if self.choose == "loss" else "maximize"

    def suggest(self, trial: Suggests) -> dict[str, Any]:
        """A trial's settings by dotted key."""
        changes: dict[str, Any] = {}
        for axis, names in self.axes.items():
            changes |= dotted.flatten(self.grid[axis][trial.suggest_categorical(axis, names)])
        for key, within in self.ranges.items():
            changes[key] = within.suggest(trial, key)
        return changes

    def found(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """A finished trial's settings by dotted key, from Optuna's names for them."""
        changes = {key: value for key, value in parameters.items() if key in self.ranges}
        for axis, name in parameters.items():
            if axis in self.grid:
                changes |= dotted.flatten(self.grid[axis][name])
        return changes


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Space:
    """Read a space that ships, by name, or any other by the path of its ``.toml`` file.

    Raises
    ------
    RecipeError
        When it does not exist or does not parse.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise RecipeError(
            f"There is no search space {name!r}. Known: {', '.join(names())}; or give the path of "
            "a .toml file."
        )
    try:
        values = {"name": path.stem} | tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The search space {path.name} is not valid TOML: {error}.") from None
    where = f"search space {path.stem}"
    ranges = values.get("ranges", {})
    if isinstance(ranges, dict):
        values["ranges"] = {
            key: tables.build(Range, value, f"{where}: ranges.{key}")
            for key, value in ranges.items()
        }
    space: Space = tables.build(Space, values, where)
    return space


def base(space: Space, changes: dict[str, Any]) -> Recipe:
    """The recipe of all trials: the space's with ``changes``, split by patient as ever.

    Raises
    ------
    RecipeError
        When it cannot be used.
    """
    recipe = recipes.load(space.recipe)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{space.recipe} trains the lung network; it has no search.")
    return recipe.with_changes(split_by_patient() | changes)


def split_by_patient() -> dict[str, Any]:
    """The split that every search validates on, by dotted key."""
    keys = ("scheme", "by", "fraction", "test", "seed")
    return {f"split.{key}": getattr(BY_PATIENT, key) for key in keys}
