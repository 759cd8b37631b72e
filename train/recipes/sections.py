"""The tables of a recipe, each a frozen dataclass that checks itself."""

import math
from dataclasses import dataclass
from typing import Literal

_PROBABILITIES = (
    "flip", "sharpen", "blur", "noise", "jpeg", "erase", "border", "outside", "covered",
)  # fmt: skip
_RANGES = (
    "rotation_degrees", "scale", "aspect", "shift", "contrast", "brightness", "gamma", "tone",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Split:
    """Which films train, which are chosen by (validation), and which are kept apart (held out).

    Attributes
    ----------
    scheme
        ``ratio``: ``fraction`` and ``test`` are shares of train and val together, the rest trains;
        the official test films stay out. ``resplit``: train as it is; val and test mixed and
        halved into validation and held out.
    by
        What is drawn: patients, so that nobody is on two sides, or films, as some papers did.
    leave_out
        Sources whose radiographs are all held out: the network never sees these places.
    seed
        Its own, so that a run's seed does not move the films.
    """

    fraction: float = 0.0
    seed: int = 0
    scheme: Literal["ratio", "resplit"] = "ratio"
    test: float = 0.0
    by: Literal["patient", "film"] = "patient"
    leave_out: tuple[str, ...] = ()

    @property
    def holds_out(self) -> bool:
        """Whether it keeps radiographs apart beside those of validation."""
        return self.scheme == "resplit" or self.test > 0 or bool(self.leave_out)

    def __post_init__(self) -> None:
        if self.scheme == "ratio":
            check("fraction", self.fraction, 0 < self.fraction < 1, "between 0 and 1")
            room = 0 <= self.test < 1 - self.fraction
            check("test", self.test, room, "at least 0 and leave films to train on")


@dataclass(frozen=True, slots=True)
class Loss:
    """What the label's loss is. See ``train.loop.losses``.

    ``alpha`` (weight of pneumonia) and ``gamma`` (focus on the hard films) are those of the focal
    loss (Lin et al. 2017). ``class_weights = "balanced"`` weighs each class by the inverse of its
    share of the training films, with a mean of one over them.
    """

    name: Literal["focal", "binary_cross_entropy", "cross_entropy"]
    alpha: float = 0.5
    gamma: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        check("alpha", self.alpha, 0 < self.alpha < 1, "between 0 and 1")
        check("gamma", self.gamma, self.gamma >= 0, "at least 0")
        if self.name == "focal" and self.class_weights != "none":
            raise ValueError("the focal loss weighs the classes by alpha; leave class_weights out")
        if self.name != "focal" and (self.alpha, self.gamma) != (0.5, 0.0):
            raise ValueError(f"alpha and gamma belong to the focal loss, not to {self.name}")


@dataclass(frozen=True, slots=True)
class Supervision:
    """What the lungs' outline teaches beside the label; zero is off. See ``train.loop.losses``."""

    covered: float = 0.0  # weight of the squared logit on films whose lungs are covered
    outside: float = 0.0  # weight of the map's share outside the lungs

    def __post_init__(self) -> None:
        for name in ("covered", "outside"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")


@dataclass(frozen=True, slots=True)
class Optimiser:
    """Learning rates: of pretrained layers, of layers without pretrained weights, of the head."""

    name: Literal["adamw", "adam", "rmsprop", "sgd", "adagrad"]
    learning_rate: float
    new_layer_rate: float
    head_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "new_layer_rate", "head_rate"):
            rate = getattr(self, name)
            check(name, rate, 0 <= rate < math.inf, "at least 0, and a number")
        check("weight_decay", self.weight_decay, self.weight_decay >= 0, "at least 0")
        check("momentum", self.momentum, 0 <= self.momentum < 1, "in [0, 1)")
        if self.momentum and self.name not in ("sgd", "rmsprop"):
            raise ValueError(f"momentum belongs to sgd and rmsprop, not to {self.name}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """What becomes of the learning rates.

    ``cosine``: a linear warm-up over the part ``warmup`` of all steps, then down to zero.
    ``step``: times ``factor`` after every ``every`` epochs.
    """

    name: Literal["constant", "cosine", "step"] = "constant"
    warmup: float = 0.0
    every: int = 0
    factor: float = 0.1

    def __post_init__(self) -> None:
        check("factor", self.factor, 0 < self.factor < 1, "between 0 and 1")
        check("warmup", self.warmup, 0 <= self.warmup < 1, "in [0, 1)")
        for key, owner in (("warmup", "cosine"), ("every", "step")):
            if getattr(self, key) and self.name != owner:
                raise ValueError(f"{key} belongs to the schedule {owner}, not to {self.name}")
        if self.name == "step":
            check("every", self.every, self.every >= 1, "at least 1 epoch")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges of the random changes to a training film; zero is off. See ``train.data.augment``."""

    flip: float = 0.0  # probability of a left-right flip
    rotation_degrees: float = 0.0
    scale: float = 0.0  # log-uniform factor in [1 / (1 + scale), 1 + scale]
    aspect: float = 0.0  # the same, of width against height
    shift: float = 0.0  # of the side
    contrast: float = 0.0  # factor in [1 - c, 1 + c] about the mean
    brightness: float = 0.0  # added grey level
    gamma: float = 0.0  # log-uniform exponent in [1 / (1 + gamma), 1 + gamma]
    tone: float = 0.0  # log-uniform slopes of a rising curve, in [1 / (1 + tone), 1 + tone]
    sharpen: float = 0.0  # probability of unsharp masking
    blur: float = 0.0  # probability of a Gaussian blur or a loss of resolution
    noise: float = 0.0  # probability of Gaussian noise, deviation up to 0.05 of the grey range
    jpeg: float = 0.0  # probability of a JPEG round trip at quality 30 to 90
    erase: float = 0.0  # probability of a covered rectangle
    border: float = 0.0  # probability of covered margins, up to 0.15 of the side each
    outside: float = 0.0  # probability that what lies outside the lungs is replaced
    covered: float = 0.0  # probability that the lungs are covered, and the logit taught to be 0

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name in _RANGES:
            check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")


@dataclass(frozen=True, slots=True)
class Training:
    """The loop.

    Attributes
    ----------
    trainable
        ``all``, ``head`` (over a frozen body), or the name of the body's first trained layer.
    unfreeze_after, unfreeze_from
        After so many epochs the body's layers from this one on are trained too.
    monitor
        What chooses the best epoch and stops early; ``none``: the last epoch is the best.
    patience
        Epochs without improvement before stopping; 0: never.
    sampling
        Films of one epoch: ``all``; ``balanced``: drawn anew, all in all as many as there are, of
        each class alike, in it of each population, in that of each source; ``oversampling``: of
        each class as many as the largest has; ``undersampling``: as many as the smallest has,
        chosen once.
    samples_per_epoch
        Another number of films; 0: as many as the sampling gives.
    views
        Augmented versions of a film whose frozen features are kept.
    """

    epochs: int
    batch_size: int
    trainable: str = "all"
    unfreeze_after: int = 0
    unfreeze_from: str = ""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    monitor: Literal["auroc", "loss", "accuracy", "none"] = "auroc"
    patience: int = 0
    label_smoothing: float = 0.0
    sampling: Literal["all", "balanced", "oversampling", "undersampling"] = "all"
    samples_per_epoch: int = 0
    views: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "views"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("unfreeze_after", "patience", "samples_per_epoch"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        check("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "in [0, 1)")
        if self.monitor == "none" and self.patience:
            raise ValueError('patience needs something to monitor, and monitor = "none"')
        if bool(self.unfreeze_after) != bool(self.unfreeze_from):
            raise ValueError("unfreeze_after and unfreeze_from belong together")
        if self.unfreeze_from and self.trainable == "all":
            raise ValueError('unfreeze_from is given, but trainable = "all" leaves nothing frozen')


@dataclass(frozen=True, slots=True)
class Pose:
    """How often a training film is turned or inverted, and what telling it counts in the loss."""

    turned: float
    inverted: float
    weight: float


def check(name: str, value: float, holds: bool, bound: str) -> None:
    """Raises ValueError with the bound that a value breaks."""
    if not holds:
        raise ValueError(f"{name} is {value}; it must be {bound}")
