"""A recipe: all that decides what a training run does, as data (``train/recipes/*.toml``)."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from pneumonia.errors import RecipeError
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.networks.classifier import NetworkSpec

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Split:
    """Validation is a part of train + val, chosen by patient; the seed is its own."""

    fraction: float
    seed: int

    def __post_init__(self) -> None:
        _check("fraction", self.fraction, 0 < self.fraction < 1, "between 0 and 1")


@dataclass(frozen=True, slots=True)
class Loss:
    """Focal loss (Lin et al. 2017): alpha weighs pneumonia, gamma focuses on the hard films."""

    alpha: float
    gamma: float
    name: Literal["focal"] = "focal"

    def __post_init__(self) -> None:
        _check("alpha", self.alpha, 0 < self.alpha < 1, "between 0 and 1")
        _check("gamma", self.gamma, self.gamma >= 0, "at least 0")


@dataclass(frozen=True, slots=True)
class Supervision:
    """What the lungs' outline teaches beside the label; zero is off. See ``train.losses``."""

    covered: float = 0.0  # weight of the squared logit on films whose lungs are covered
    outside: float = 0.0  # weight of the map's share outside the lungs


@dataclass(frozen=True, slots=True)
class Optimiser:
    """Learning rates: of pretrained layers, of body layers that start fresh, of the head."""

    name: Literal["adamw", "rmsprop"]
    learning_rate: float
    fresh_rate: float
    head_rate: float
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Constant, or a linear warm-up over a part of all steps and a cosine to zero."""

    name: Literal["constant", "cosine"] = "constant"
    warmup: float = 0.0


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges of the random changes to a training film; zero is off. See ``train.augment``."""

    flip: float = 0.0  # probability of a left-right flip
    rotation_degrees: float = 0.0
    scale: float = 0.0  # log-uniform factor in [1 / (1 + scale), 1 + scale]
    aspect: float = 0.0  # the same, of width against height
    shift: float = 0.0  # of the side
    contrast: float = 0.0  # factor in [1 - c, 1 + c] about the mean
    brightness: float = 0.0  # added grey level
    gamma: float = 0.0  # log-uniform exponent in [1 / (1 + gamma), 1 + gamma]
    blur: float = 0.0  # probability of a Gaussian blur or a loss of resolution
    noise: float = 0.0  # probability of Gaussian noise, deviation up to 0.05 of the grey range
    jpeg: float = 0.0  # probability of a JPEG round trip at quality 30 to 90
    erase: float = 0.0  # probability of a covered rectangle
    frame: float = 0.0  # probability of covered margins, up to 0.15 of the side each
    outside: float = 0.0  # probability that what lies outside the lungs is replaced
    covered: float = 0.0  # probability that the lungs are covered, and the logit taught to be 0


@dataclass(frozen=True, slots=True)
class Training:
    """The loop. ``trainable``: all layers, or the head alone over a frozen body."""

    epochs: int
    batch_size: int
    trainable: Literal["all", "head"] = "all"
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    monitor: Literal["auroc", "loss", "none"] = "auroc"  # none: the last epoch is the best
    patience: int = 0  # epochs without improvement before stopping; 0: never
    average_decay: float = 0.0  # exponential moving average of the weights; 0: off
    label_smoothing: float = 0.0
    films_per_epoch: int = 0  # drawn anew each epoch, as many of each class; 0: all, as they are
    views: int = 1  # augmented versions of a film whose frozen features are kept

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "views"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check("average_decay", self.average_decay, 0 <= self.average_decay < 1, "in [0, 1)")
        _check("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "in [0, 1)")

    def with_options(self, epochs: int | None, batch_size: int | None) -> Self:
        return replace(self, epochs=epochs or self.epochs, batch_size=batch_size or self.batch_size)


@dataclass(frozen=True, slots=True)
class Recipe:
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

    def __post_init__(self) -> None:
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

    @property
    def needs_lungs(self) -> bool:
        """Whether training looks at the lungs; the shipped gate does in any case."""
        spec, knobs, taught = self.preprocess, self.augmentation, self.supervision
        return (
            "lungs" in (spec.frame, spec.levels)
            or max(knobs.outside, knobs.covered, taught.covered, taught.outside) > 0
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def with_options(self, epochs: int | None, batch_size: int | None) -> Self:
        """The recipe with what the command line overrides."""
        return replace(self, training=self.training.with_options(epochs, batch_size))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises RecipeError naming the key that is missing, unknown or of the wrong type."""
        recipe: Self = _build(cls, values, f"recipe {values.get('name', '?')}")
        return recipe


@dataclass(frozen=True, slots=True)
class Pose:
    """How often a training film is turned or inverted, and what telling it counts in the loss."""

    turned: float
    inverted: float
    weight: float


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
    grid: int = 224
    kind: Literal["lungs"] = "lungs"

    def with_options(self, epochs: int | None, batch_size: int | None) -> Self:
        """The recipe with what the command line overrides."""
        return replace(self, training=self.training.with_options(epochs, batch_size))


def _check(name: str, value: float, holds: bool, bound: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value}; it must be {bound}")


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Recipe | LungRecipe:
    """Read a recipe that ships, by name, or any other by the path of its ``.toml`` file.

    Raises
    ------
    RecipeError
        When it does not exist or does not parse.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise RecipeError(
            f"There is no recipe {name!r}. Known: {', '.join(names())}; "
            "or give the path of a .toml file."
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {path.name} is not valid TOML: {error}.") from None
    values = {"name": path.stem} | values
    if values.get("kind") == "lungs":
        return lung_recipe(values)
    return Recipe.from_dict(values)


def lung_recipe(values: dict[str, Any]) -> LungRecipe:
    """Raises RecipeError naming the key that is missing, unknown or of the wrong type."""
    found: LungRecipe = _build(LungRecipe, values, f"recipe {values.get('name', '?')}")
    return found


def _build(cls: Any, values: Any, where: str) -> Any:
    """Make a dataclass from a table, checking names and types on the way down."""
    if not isinstance(values, dict):
        raise RecipeError(f"{where} must be a table.")
    hints = get_type_hints(cls)
    unknown = sorted(set(values) - {f.name for f in fields(cls)})
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}. Known: {', '.join(hints)}.")
    made = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    try:
        return cls(**made)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {str(error).replace('__init__() ', '')}.") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return _build(hint, value, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise RecipeError(f"{where} is {value!r}; it must be one of {choices}.")
        return value
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = get_origin(hint) or hint
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{where} is {value!r}; it must be a {kind.__name__}.")
    return value
