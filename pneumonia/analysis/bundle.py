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

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from pneumonia.errors import DamagedBundle, NoModel, UnknownArchitecture
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier, NetworkSpec, build

CARD = "card.json"
WEIGHTS = "weights.safetensors"
CLASSES = ("normal", "pneumonia")


@dataclass(frozen=True, slots=True)
class Card:
    """What the application needs of a ``card.json``; ``raw`` is all of it.

    Attributes
    ----------
    temperature, bias
        Calibrated probability = sigmoid((logit + bias) / temperature).
    map_full_scale
        Positive evidence, in logits, painted at full heat.
    weights_sha256
        Hex digest of the weights file.
    """

    id: str
    network: NetworkSpec
    preprocess: PreprocessSpec
    classes: tuple[str, ...]
    temperature: float
    bias: float
    operating_point: OperatingPoint
    map_full_scale: float
    weights_sha256: str
    raw: dict[str, Any]

    @property
    def architecture(self) -> str:
        return self.network.architecture

    @property
    def ref(self) -> ModelRef:
        return ModelRef(self.id, self.weights_sha256)


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
    point = raw["operating_point"]
    band = point["indeterminate"]
    if tuple(raw["classes"]) != CLASSES:
        raise ValueError(f"classes must be {', '.join(CLASSES)}, not {raw['classes']}")
    temperature, full_scale = float(raw["temperature"]), float(raw["map"]["full_scale"])
    if not (temperature > 0 and full_scale > 0):
        raise ValueError("temperature and the map's full scale must be positive")
    head = raw["head"]
    return Card(
        id=raw["id"],
        network=NetworkSpec(
            architecture=raw["architecture"],
            hidden=tuple(head["hidden"]),
            dropout=float(head["dropout"]),
        ),
        preprocess=PreprocessSpec.from_dict(raw["preprocess"]),
        classes=CLASSES,
        temperature=temperature,
        bias=float(raw["bias"]),
        operating_point=OperatingPoint(
            name=str(point["name"]),
            threshold=_probability(point["threshold"]),
            indeterminate=(_probability(band[0]), _probability(band[1])) if band else None,
        ),
        map_full_scale=full_scale,
        weights_sha256=str(raw["weights"]["sha256"]),
        raw=raw,
    )


def _probability(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{value} is not a probability")
    return float(value)


def load_network(folder: Path) -> tuple[Card, Classifier]:
    """Read a bundle whole: the card, and its network in float32, in evaluation mode.

    Raises
    ------
    NoModel, DamagedBundle
        When the bundle is absent, or any of its parts is not what the card says.
    """
    card = read_card(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise DamagedBundle(_damaged(folder, f"{WEIGHTS} is missing"))
    found = file_sha256(path)
    if found != card.weights_sha256:
        raise DamagedBundle(
            _damaged(
                folder,
                f"{WEIGHTS} has the SHA-256 {found[:12]}..., "
                f"and the card was made for {card.weights_sha256[:12]}...",
            )
        )
    try:
        network = build(card.network)
        state, _ = weights.read(path)
        network.load_state_dict({name: _to_float32(t) for name, t in state.items()})
    except (weights.WeightsFileError, UnknownArchitecture, RuntimeError) as error:
        raise DamagedBundle(_damaged(folder, f"{WEIGHTS} does not fit: {error}")) from None
    return card, network.eval()


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
