"""What the analysis says about one film: frozen values, no torch."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.preprocess import Geometry

DEFAULT_OPERATING_POINT = "balanced"

TWO_CLASSES = ("normal", "pneumonia")
THREE_CLASSES = ("normal", "bacterial", "viral")
"""What a network's outputs stand for, in their order."""

Outline = tuple[tuple[tuple[float, float], ...], ...]
"""Polygons around the lungs: points (x, y) as fractions of the film's width and height."""


class Label(StrEnum):
    NORMAL = "normal"
    PNEUMONIA = "pneumonia"
    INDETERMINATE = "indeterminate"


class Etiology(StrEnum):
    """What a pneumonia was caused by."""

    BACTERIAL = "bacterial"
    VIRAL = "viral"


class PopulationMatch(StrEnum):
    """Whether a film is of those that the model knows, by its file and by what was said of it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EtiologyFinding:
    """Which pneumonia the film looks more like, given that it shows one.

    Attributes
    ----------
    probability
        Calibrated probability of the label, given pneumonia, in [0.5, 1].
    """

    label: Etiology
    probability: float

    @classmethod
    def of(cls, viral: float) -> Self:
        """From the probability that a pneumonia is viral, in [0, 1]."""
        return cls(Etiology.VIRAL, viral) if viral >= 0.5 else cls(Etiology.BACTERIAL, 1 - viral)

    @property
    def viral(self) -> float:
        """Probability that a pneumonia of this kind is viral, in [0, 1]."""
        return self.probability if self.label is Etiology.VIRAL else 1 - self.probability


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model said it: the bundle's id and the SHA-256 of its weights file."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A named threshold on the calibrated probability: at or above it, pneumonia.

    ``indeterminate`` is the closed band [low, high] of probabilities that are called neither.
    """

    name: str
    threshold: float
    indeterminate: tuple[float, float] | None = None

    def label(self, probability: float) -> Label:
        if self.indeterminate is not None:
            low, high = self.indeterminate
            if low <= probability <= high:
                return Label.INDETERMINATE
        return Label.PNEUMONIA if probability >= self.threshold else Label.NORMAL


@dataclass(frozen=True, slots=True)
class Quality:
    """What the gate says of the film; a refused film raises instead and has no finding.

    ``inverted``: the film came with air bright and bone dark; its grey levels were inverted back.
    ``outlier_distance``: how far it is from chest films, 1 where it would be refused; None where
    that was not measured.
    """

    accepted: bool = True
    warnings: tuple[str, ...] = ()
    inverted: bool = False
    outlier_distance: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class ActivationMap:
    """The class activation map of one film.

    Attributes
    ----------
    values
        float32 (h, w), in logits: what each cell of the last feature map adds to the logit of
        pneumonia (positive) or takes from it (negative). Their mean plus the head's bias is the
        logit.
    full_scale
        The positive value, in logits, that is painted at full heat. It is fixed per model, so
        that the same colour means the same evidence on every film.
    geometry
        Where the network's input lies on the film.
    """

    values: NDArray[np.float32]
    full_scale: float
    geometry: Geometry


@dataclass(frozen=True, eq=False, slots=True)
class Finding:
    """The verdict on one film.

    Attributes
    ----------
    probability
        Calibrated probability of pneumonia, in [0, 1].
    logit
        The network's raw output, before calibration.
    outline
        Where the lungs were found; empty where they were not looked for.
    etiology
        Bacterial or viral, whatever the label; it means something where the film shows pneumonia.
        None where the model does not tell the two apart.
    population
        Whose calibration was used, by its name in the card; empty where that was not known, or the
        card has one for all.
    population_match
        Whether the film is of those that the model knows.
    mismatches
        Sentences on why it is not; they are among the warnings, too. Empty unless the match is no.
    viral_logit
        The network's raw log-odds that a pneumonia is viral, for measuring; None from a network of
        two classes. Without an etiology it says nothing that could be shown.
    """

    label: Label
    probability: float
    logit: float
    operating_point: OperatingPoint
    model: ModelRef
    quality: Quality
    activation: ActivationMap
    outline: Outline = ()
    etiology: EtiologyFinding | None = None
    population: str = ""
    population_match: PopulationMatch = PopulationMatch.UNKNOWN
    mismatches: tuple[str, ...] = ()
    viral_logit: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all that the network gave are numbers, and not NaN or infinite."""
        figures = (self.logit, self.probability, self.viral_logit or 0.0)
        return bool(np.isfinite(figures).all() and np.isfinite(self.activation.values).all())

    @property
    def class_probabilities(self) -> tuple[float, float, float] | None:
        """Of normal, bacterial and viral, summing to 1; None without an etiology."""
        if self.etiology is None:
            return None
        p, viral = self.probability, self.etiology.viral
        return 1 - p, p * (1 - viral), p * viral

    @property
    def margin(self) -> float:
        """How far the probability lies from the threshold: the less, the less certain the label."""
        return abs(self.probability - self.operating_point.threshold)

    @property
    def confidence(self) -> float:
        """Probability of the label, in [0, 1]; for indeterminate, of the likelier class."""
        match self.label:
            case Label.PNEUMONIA:
                return self.probability
            case Label.NORMAL:
                return 1 - self.probability
            case _:
                return max(self.probability, 1 - self.probability)
