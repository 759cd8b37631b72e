"""A recipe: all that decides what a training run does, as data (one ``.toml`` file)."""

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pneumonia.analysis.finding import THREE_CLASSES, TWO_CLASSES
from pneumonia.analysis.gate_limits import GateLimits
from pneumonia.errors import RecipeError
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.networks.spec import NetworkSpec
from train.recipes import tables
from train.recipes.sections import (
    Augmentation,
    Loss,
    Optimiser,
    Pose,
    Schedule,
    Split,
    Supervision,
    Training,
    check,
)

FOLDER = Path(__file__).parent
#: Where a recipe's name is looked up: those of our own, then the papers'.
SEARCH_PATH = (FOLDER, FOLDER.parent / "research" / "recipes")
FIGURES = ("accuracy", "precision", "sensitivity", "specificity", "f1", "macro_f1", "auroc")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a classifier is trained.

    Attributes
    ----------
    figures
        What the paper reports, by name, in [0, 1]; ``reported`` says it in words.
    statistics
        ``given``: inputs are normalised by the preprocessing's mean and deviation. ``dataset``: by
        those of the training films, which then stand in the card.
    perturbed_radiographs
        Whether the operating points must hold on altered validation films too; it costs minutes.
    reported_on
        The part of the data that the paper's figures come from, of those that the split makes, or
        ``test``: the official test films. A comparison measures there; training does not use it.
    """

    name: str
    title: str
    paper: str
    reported: str
    differs: str
    network: NetworkSpec
    preprocess: PreprocessSpec
    split: Split
    loss: Loss
    optimiser: Optimiser
    schedule: Schedule
    training: Training
    augmentation: Augmentation = field(default_factory=Augmentation)
    supervision: Supervision = field(default_factory=Supervision)
    statistics: Literal["given", "dataset"] = "given"
    perturbed_radiographs: bool = False
    reported_on: Literal["validation", "held-out", "test"] = "validation"
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_network()
        self._check_sampling()
        for name, value in self.figures.items():
            if name not in FIGURES:
                raise ValueError(f"unknown figure {name!r}; known are {', '.join(FIGURES)}")
            if not isinstance(value, float) or not 0 <= value <= 1:
                raise ValueError(f"figures.{name} is {value!r}; it must be a number in [0, 1]")
        if self.training.trainable == "all":
            return
        # Features kept of a film hold its label alone: not the map, nor that its lungs are covered.
        for name, value in (
            ("augmentation.covered", self.augmentation.covered),
            ("supervision.covered", self.supervision.covered),
            ("supervision.outside", self.supervision.outside),
        ):
            if value:
                raise ValueError(f'{name} is {value}; it needs training.trainable = "all"')

    def _check_sampling(self) -> None:
        training = self.training
        if self.loss.class_weights != "none" and training.sampling != "all":
            raise ValueError(
                f"{training.sampling} already evens the classes out: leave loss.class_weights out"
            )
        if 0 < training.samples_per_epoch < len(self.classes):
            raise ValueError(
                f"training.samples_per_epoch is {training.samples_per_epoch}; it must be at least "
                f"one of each of {len(self.classes)} classes"
            )

    def _check_network(self) -> None:
        outputs, loss = self.network.outputs, self.loss.name
        check("network.dropout", self.network.dropout, 0 <= self.network.dropout < 1, "in [0, 1)")
        for width in self.network.hidden:
            if not isinstance(width, int) or width < 1:
                raise ValueError(f"network.hidden has {width!r}; widths are whole numbers from 1")
        if outputs not in (1, 2, 3):
            raise ValueError(f"network.outputs is {outputs}; it must be 1, 2 or 3")
        if (loss == "cross_entropy") != (outputs > 1):
            raise ValueError(
                f"the loss {loss} does not fit {outputs} output{'s' * (outputs > 1)}: "
                "cross_entropy needs network.outputs = 2 or 3, the others 1"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        return THREE_CLASSES if self.network.outputs == 3 else TWO_CLASSES

    @property
    def needs_lungs(self) -> bool:
        """Whether training looks at the lungs; the shipped gate does in any case."""
        spec, knobs, taught = self.preprocess, self.augmentation, self.supervision
        return (
            "lungs" in (spec.crop, spec.levels)
            or max(knobs.outside, knobs.covered, taught.covered, taught.outside) > 0
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def with_changes(self, changes: dict[str, Any]) -> Self:
        """The recipe with some values changed, by dotted keys (``{"network.until": "layer3"}``).

        Raises
        ------
        RecipeError
            As :meth:`from_dict`.
        """
        return self.from_dict(tables.merge(self.as_dict(), tables.nest(changes)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises RecipeError naming the key that is missing, unknown or of the wrong type."""
        recipe: Self = tables.build(cls, values, f"recipe {values.get('name', '?')}")
        return recipe


@dataclass(frozen=True, slots=True)
class LungRecipe:
    """How the lung network is trained; films lie on a square of ``grid`` pixels."""

    name: str
    title: str
    paper: str
    reported: str
    differs: str
    size: int
    split: Split
    optimiser: Optimiser
    schedule: Schedule
    training: Training
    pose: Pose
    augmentation: Augmentation
    gate: GateLimits
    grid: int = 224
    kind: Literal["lungs"] = "lungs"

    def with_changes(self, changes: dict[str, Any]) -> Self:
        """As :meth:`Recipe.with_changes`."""
        found: Self = lung_recipe(tables.merge(asdict(self), tables.nest(changes)))  # type: ignore[assignment]
        return found


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for folder in SEARCH_PATH for path in folder.glob("*.toml")))


def load(name: str) -> Recipe | LungRecipe:
    """Read a recipe that ships, by name, or any other by the path of its ``.toml`` file.

    A recipe may name another as its ``base``: what it does not say, that one decides.

    Raises
    ------
    RecipeError
        When it does not exist or does not parse, or bases go round in a circle.
    """
    values = _read(name, ())
    if values.get("kind") == "lungs":
        return lung_recipe(values)
    return Recipe.from_dict(values)


def _read(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    named = [Path(name)] if name.endswith(".toml") else [p / f"{name}.toml" for p in SEARCH_PATH]
    path = next((path for path in named if path.is_file()), None)
    if path is None:
        raise RecipeError(
            f"There is no recipe {name!r}. Known: {', '.join(names())}; "
            "or give the path of a .toml file."
        )
    if name in above:
        raise RecipeError(f"The recipe {name!r} has itself as its base: {', '.join(above)}.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {path.name} is not valid TOML: {error}.") from None
    values = {"name": path.stem} | values
    base = values.pop("base", None)
    if base is None:
        return values
    return tables.merge(_read(str(base), (*above, name)), values)


def lung_recipe(values: dict[str, Any]) -> LungRecipe:
    """Raises RecipeError naming the key that is missing, unknown or of the wrong type."""
    found: LungRecipe = tables.build(LungRecipe, values, f"recipe {values.get('name', '?')}")
    return found
