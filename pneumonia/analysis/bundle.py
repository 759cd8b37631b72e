"""A model bundle on disk: ``models/<id>/`` holds ``card.json`` and ``weights.safetensors``.

The card binds what must not drift apart: architecture, preprocessing, calibration, operating point
and the hash of the weights they were measured with. A bundle that does not match is refused.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pneumonia.analysis.calibration import Calibration
from pneumonia.analysis.finding import (
    DEFAULT_OPERATING_POINT,
    THREE_CLASSES,
    TWO_CLASSES,
    ModelRef,
    OperatingPoint,
    PopulationMatch,
)
from pneumonia.analysis.lung_segmenter import FILES as LUNG_FILES
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.population import Population
from pneumonia.errors import BadSetting, DamagedBundle, NoModel, UnknownArchitecture
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.imaging.radiograph import OTHER_POPULATION, Facts
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier, NetworkSpec, build

CARD = "card.json"
WEIGHTS = "weights.safetensors"
CLASSES = TWO_CLASSES


@dataclass(frozen=True, slots=True)
class EtiologyCalibration:
    """How bacterial and viral pneumonia are told apart, and how well that went.

    Attributes
    ----------
    temperature, bias
        Probability that a pneumonia is viral = sigmoid((viral logit + bias) / temperature).
    radiographs, correct
        Pneumonias of known cause among the validation films, and how many were called rightly.
    """

    temperature: float
    bias: float
    radiographs: int
    correct: int


@dataclass(frozen=True, slots=True)
class Card:
    """What the application needs of a ``card.json``; ``raw`` is all of it.

    Attributes
    ----------
    calibration
        For a radiograph of which nothing says whose it is.
    populations
        Calibrations by the name of the population; empty where there is one for all.
    etiology
        None for a bundle that does not tell bacterial from viral.
    map_full_scale
        Positive evidence, in logits, painted at full heat.
    weights_sha256
        Hex digest of the weights file.
    lungs_sha256
        Hex digests of the lung network's files by name; None for a bundle without one.
    """

    id: str
    network: NetworkSpec
    preprocess: PreprocessSpec
    classes: tuple[str, ...]
    calibration: Calibration
    populations: dict[str, Calibration]
    etiology: EtiologyCalibration | None
    map_full_scale: float
    weights_sha256: str
    lungs_sha256: dict[str, str] | None
    raw: dict[str, Any]

    @property
    def architecture(self) -> str:
        return self.network.architecture

    @property
    def ref(self) -> ModelRef:
        return ModelRef(self.id, self.weights_sha256)

    @property
    def population(self) -> Population:
        """Whose radiographs it was trained on."""
        return self.calibration.population

    @property
    def operating_points(self) -> dict[str, OperatingPoint]:
        """By name; those of a radiograph of which nothing says whose it is."""
        return self.calibration.operating_points

    @property
    def operating_point(self) -> OperatingPoint:
        """The one that decides where nobody chose another."""
        return self.choose(DEFAULT_OPERATING_POINT)

    def find_population(self, facts: Facts) -> str:
        """The name of the population a radiograph belongs to; empty where that is not known.

        The age in its file counts before what the person who sent it says.
        """
        if facts.age_years is not None:
            return next(
                (n for n, c in self.populations.items() if c.population.holds(facts.age_years)), ""
            )
        return facts.population if facts.population in self.populations else ""

    def of_population(self, name: str) -> "Card":
        """The same card, as if that population's calibration were the only one.

        Raises
        ------
        BadSetting
            When the card does not calibrate such a population apart.
        """
        if name not in self.populations:
            raise BadSetting(
                f"The model {self.id!r} does not tell the population {name!r} apart; it has "
                f"{', '.join(self.populations) or 'one calibration for all'}."
            )
        return replace(self, calibration=self.populations[name], populations={})

    def contradictions(self, facts: Facts) -> tuple[str, ...]:
        """Sentences on what a file says that does not fit: the model, or what was said of it."""
        name, notes = self.find_population(facts), self.mismatches(facts)
        if facts.age_years is not None and name and facts.population not in ("", name):
            corrected = (
                f"The film was said to be of the group {facts.population}; by the age in the DICOM "
                f"file it is of {name}, and was read so."
            )
            return (*notes, corrected)
        return notes

    def mismatches(self, facts: Facts) -> tuple[str, ...]:
        """Sentences on why a film is outside what the model knows; none where nothing says so."""
        name = self.find_population(facts)
        notes = self.calibration_of(name).population.contradictions(facts)
        if not self.populations or name:
            return notes
        if facts.age_years is not None:
            ages = " and ".join(
                "{} to {}".format(*one.population.age_years)
                for one in self.populations.values()
                if one.population.age_years
            )
            # The age itself is not repeated: warnings are kept with the reading.
            other = (
                f"The model was calibrated on patients of {ages} years; the DICOM file says "
                "another age, so the limits for an unknown age were used."
            )
            return (*notes, other)
        if facts.population == OTHER_POPULATION:
            known = " and ".join(one.population.text for one in self.populations.values())
            return (*notes, f"The film was said to be of none of those the model knows: {known}.")
        return notes

    def match_population(self, facts: Facts) -> PopulationMatch:
        """Whether a film is of those that the model knows; unknown where nothing tells."""
        if self.mismatches(facts):
            return PopulationMatch.NO
        told = self.find_population(facts) or (
            not self.populations
            and facts.age_years is not None
            and self.population.holds(facts.age_years)
        )
        return PopulationMatch.YES if told else PopulationMatch.UNKNOWN

    def calibration_of(self, population: str) -> Calibration:
        """The calibration for a population; for an unknown one the card's cautious one."""
        return self.populations.get(population, self.calibration)

    def choose(self, name: str) -> OperatingPoint:
        """An operating point by its name.

        Raises
        ------
        BadSetting
            For a name that the card does not have.
        """
        points = self.operating_points
        if name not in points:
            raise BadSetting(
                f"The model {self.id!r} has no operating point {name!r}. Choose one of "
                f"{', '.join(points)} with PNEUMONIA_OPERATING_POINT or --operating-point."
            )
        return points[name]


def read_card(folder: Path) -> Card:
    """Read and check a bundle's card.

    Raises
    ------
    NoModel
        When there is no such bundle.
    DamagedBundle
        When the card is not JSON, lacks a key, or holds a value of the wrong kind.
    """
    path = folder / CARD
    if not path.is_file():
        raise NoModel(
            f"There is no model bundle {folder.name!r}: {path} is missing. Put a bundle there, "
            "choose another with PNEUMONIA_MODEL, or train one: "
            "flask train --data DIR --recipe default --out models/default"
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        card = _parse(raw)
    except KeyError as error:
        raise DamagedBundle(_damaged(folder, f"the card has no {error.args[0]!r}")) from None
    except (OSError, TypeError, ValueError) as error:
        raise DamagedBundle(_damaged(folder, f"the card cannot be read ({error})")) from None
    if card.id != folder.name:
        raise DamagedBundle(_damaged(folder, f"its card belongs to the bundle {card.id!r}"))
    return card


def _damaged(folder: Path, what: str) -> str:
    return f"The model bundle {folder.name!r} is refused: {what}. Restore it or train it again."


def _parse(raw: dict[str, Any]) -> Card:
    network, full_scale = _network(raw), float(raw["map"]["full_scale"])
    if not full_scale > 0:
        raise ValueError("the map's full scale must be positive")
    calibration = Calibration.from_dict(raw)
    populations = {
        name: Calibration.from_dict(one) for name, one in raw.get("populations", {}).items()
    }
    for name, one in populations.items():
        if one.operating_points.keys() != calibration.operating_points.keys():
            raise ValueError(f"the population {name} has other operating points than the card")
    preprocess, lungs = PreprocessSpec.from_dict(raw["preprocess"]), raw.get("lungs")
    if lungs is None and "lungs" in (preprocess.crop, preprocess.levels):
        raise ValueError("the preprocessing needs the lungs, and no lung network is named")
    return Card(
        id=raw["id"],
        network=network,
        preprocess=preprocess,
        classes=_classes(raw, network.outputs),
        calibration=calibration,
        populations=populations,
        etiology=_etiology(raw.get("etiology"), network.outputs),
        map_full_scale=full_scale,
        weights_sha256=str(raw["weights"]["sha256"]),
        lungs_sha256={name: lungs["sha256"][name] for name in LUNG_FILES} if lungs else None,
        raw=raw,
    )


def _network(raw: dict[str, Any]) -> NetworkSpec:
    head = raw["head"]
    outputs = head.get("outputs", 1)
    if outputs not in (1, 2, 3):
        raise ValueError(f"the head's outputs must be 1, 2 or 3, not {outputs!r}")
    return NetworkSpec(
        architecture=raw["architecture"],
        hidden=tuple(head["hidden"]),
        dropout=float(head["dropout"]),
        outputs=outputs,
        until=str(raw.get("until", "")),
    )


def _classes(raw: dict[str, Any], outputs: int) -> tuple[str, ...]:
    classes = THREE_CLASSES if outputs == 3 else TWO_CLASSES
    if tuple(raw["classes"]) != classes:
        raise ValueError(
            f"classes must be {', '.join(classes)} where the head's outputs are {outputs}, "
            f"not {raw['classes']}"
        )
    return classes


def _etiology(etiology: dict[str, Any] | None, outputs: int) -> EtiologyCalibration | None:
    if etiology is None:
        return None
    if outputs != 3:
        raise ValueError(
            f"an etiology of pneumonia needs 3 outputs ({', '.join(THREE_CLASSES)}); "
            f"the head has {outputs}"
        )
    validation = etiology["validation"]
    found = EtiologyCalibration(
        temperature=float(etiology["temperature"]),
        bias=float(etiology["bias"]),
        radiographs=int(validation["n"]),
        correct=int(validation["correct"]),
    )
    if not found.temperature > 0:
        raise ValueError("the temperature of the etiology must be positive")
    if not 0 <= found.correct <= found.radiographs or not found.radiographs:
        raise ValueError(
            f"the etiology cannot be right for {found.correct} of {found.radiographs} "
            "validation films"
        )
    return found


@dataclass(frozen=True, eq=False, slots=True)
class Bundle:
    """All of a bundle, its networks in float32 and in evaluation mode; ``lungs`` may be absent."""

    card: Card
    network: Classifier
    lungs: LungSegmenter | None


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle whole.

    Raises
    ------
    NoModel, DamagedBundle
        When the bundle is absent, or any of its parts is not what the card says.
    """
    card = read_card(folder)
    _check_hash(folder, WEIGHTS, card.weights_sha256)
    try:
        with torch.device("meta"):  # no memory, and no random weights that are thrown away
            network = build(card.network)
        state = weights.read(folder / WEIGHTS)
        network.load_state_dict({n: _to_float32(t) for n, t in state.items()}, assign=True)
    except (weights.WeightsFileError, UnknownArchitecture, RuntimeError) as error:
        raise DamagedBundle(_damaged(folder, f"{WEIGHTS} does not fit: {error}")) from None
    lungs = None
    if card.lungs_sha256 is not None:
        for name, expected in card.lungs_sha256.items():
            _check_hash(folder, name, expected)
        lungs = LungSegmenter.load(folder)
    return Bundle(card, network.eval(), lungs)


def _check_hash(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not path.is_file():
        raise DamagedBundle(_damaged(folder, f"{name} is missing"))
    found = file_sha256(path)
    if found != expected:
        raise DamagedBundle(
            _damaged(
                folder,
                f"{name} has the SHA-256 {found[:12]}..., "
                f"and the card was made for {expected[:12]}...",
            )
        )


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
