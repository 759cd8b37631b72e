"""A model bundle on disk: ``models/<id>/`` holds ``card.json`` and ``weights.safetensors``.

The card binds what must not drift apart: architecture, preprocessing, calibration, operating point
and the hash of the weights they were measured with. A bundle that does not match is refused.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pneumonia.analysis.finding import (
    DEFAULT_OPERATING_POINT,
    THREE_CLASSES,
    TWO_CLASSES,
    ModelRef,
    OperatingPoint,
)
from pneumonia.analysis.frequency import Frequency
from pneumonia.analysis.lung_segmenter import FILES as LUNG_FILES
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.population import Population
from pneumonia.errors import BadSetting, DamagedBundle, NoModel, UnknownArchitecture
from pneumonia.imaging.preprocess import PreprocessSpec
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
    temperature, bias
        Calibrated probability = sigmoid((logit + bias) / temperature).
    etiology
        None for a bundle that does not tell bacterial from viral.
    operating_points
        By name, at least one.
    population
        Whose radiographs it was trained on.
    frequency
        Validation films grouped by probability, rising; may be empty.
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
    temperature: float
    bias: float
    etiology: EtiologyCalibration | None
    operating_points: dict[str, OperatingPoint]
    population: Population
    frequency: tuple[Frequency, ...]
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
    def operating_point(self) -> OperatingPoint:
        """The one that decides where nobody chose another."""
        return self.choose(DEFAULT_OPERATING_POINT)

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
    calibration = raw["calibration"]
    network = _network(raw)
    temperature, full_scale = float(calibration["temperature"]), float(raw["map"]["full_scale"])
    if not (temperature > 0 and full_scale > 0):
        raise ValueError("temperature and the map's full scale must be positive")
    preprocess, lungs = PreprocessSpec.from_dict(raw["preprocess"]), raw.get("lungs")
    if lungs is None and "lungs" in (preprocess.crop, preprocess.levels):
        raise ValueError("the preprocessing needs the lungs, and no lung network is named")
    return Card(
        id=raw["id"],
        network=network,
        preprocess=preprocess,
        classes=_classes(raw, network.outputs),
        temperature=temperature,
        bias=float(calibration["bias"]),
        etiology=_etiology(raw.get("etiology"), network.outputs),
        operating_points=_operating_points(raw["operating_points"]),
        population=Population.from_dict(raw["population"]),
        frequency=tuple(Frequency(**group) for group in calibration["frequency"]),
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


def _operating_points(points: dict[str, dict[str, Any]]) -> dict[str, OperatingPoint]:
    if not points:
        raise ValueError("there is no operating point")
    found = {}
    for name, point in points.items():
        band = point["indeterminate"]
        found[name] = OperatingPoint(
            name=name,
            threshold=_probability(point["threshold"]),
            indeterminate=(_probability(band[0]), _probability(band[1])) if band else None,
        )
    return found


def _probability(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{value} is not a probability")
    return float(value)


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
        network = build(card.network)
        state = weights.read(folder / WEIGHTS)
        network.load_state_dict({name: _to_float32(t) for name, t in state.items()})
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
