"""A search space: a recipe and the settings to try, as data (``spaces/*.toml``)."""

import itertools
import random
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pneumonia.errors import RecipeError
from train.recipes import dotted, tables
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe
from train.research.comparison.protocol import BY_PATIENT

FOLDER = Path(__file__).parent / "spaces"


@dataclass(frozen=True, slots=True)
class Range:
    """A setting's range: ``low`` to ``high``, maybe in ``whole`` numbers, or some ``choices``."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[str | int | float | bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices and not self.low < self.high:
            raise ValueError("it needs low below high, or choices")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; on a logarithmic scale it must be above 0")

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna draws from it."""
        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Space:
    """A grid of settings, or ranges to draw them from, over a recipe.

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
        """Trials of the whole search: all points of a grid, or as many as the space says."""
        return len(self.points) if self.grid else self.trials

    @property
    def points(self) -> list[dict[str, str]]:
        """All combinations of a grid, in an order drawn once: any part of it is a fair sample."""
        if not self.grid:
            return []
        names = itertools.product(*self.grid.values())
        points = [dict(zip(self.grid, point, strict=True)) for point in names]
        random.Random(0).shuffle(points)  # noqa: S311 - an order, not a secret
        return points

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What a trial draws, by axis of the grid or by dotted key of the ranges."""
        drawn = {key: within.distribution for key, within in self.ranges.items()}
        return drawn | {axis: CategoricalDistribution(list(n)) for axis, n in self.grid.items()}

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a trial by dotted key, in the order of the space."""
        changes: dict[str, Any] = {}
        for axis in self.grid:
            if axis in drawn:
                changes |= dotted.flatten(self.grid[axis][drawn[axis]])
        return changes | {key: drawn[key] for key in self.ranges if key in drawn}


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Space:
    """Read a space that ships, by name, or any other by the path of its ``.toml`` file.

    A space may name another as its ``base``: what it does not say, that one decides.

    Raises
    ------
    RecipeError
        When it does not exist or does not parse, or bases go round in a circle.
    """
    values = _read(name, ())
    where = f"search space {values['name']}"
    ranges = values.get("ranges", {})
    if isinstance(ranges, dict):
        values["ranges"] = {
            key: tables.build(Range, value, f"{where}: ranges.{key}")
            for key, value in ranges.items()
        }
    space: Space = tables.build(Space, values, where)
    return space


def _read(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise RecipeError(
            f"There is no search space {name!r}. Known: {', '.join(names())}; or give the path of "
            "a .toml file."
        )
    if name in above:
        raise RecipeError(f"The search space {name!r} has itself as its base: {', '.join(above)}.")
    try:
        values = {"name": path.stem} | tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The search space {path.name} is not valid TOML: {error}.") from None
    base = values.pop("base", None)
    return values if base is None else _read(str(base), (*above, name)) | values


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
    return {f"split.{key}": value for key, value in asdict(BY_PATIENT).items()}
