"""A model's card, ``models/<id>/card.json``: read and checked.

It binds what must not drift apart: architecture, preprocessing, calibrations, operating points and
the hashes of the files that they were measured with.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pneumonia.analysis.calibration import Calibration
from pneumonia.analysis.finding import (
    DEFAULT_OPERATING_POINT,
    THREE_CLASSES,
    TWO_CLASSES,
    ModelRef,
    OperatingPoint,
)
from pneumonia.analysis.lung_card import FILES as LUNG_FILES
from pneumonia.analysis.population import Population
from pneumonia.errors import BadSetting, DamagedBundle, NoModel
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.networks.spec import NetworkSpec

CARD = "card.json"


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
        raise DamagedBundle(damaged(folder, f"the card has no {error.args[0]!r}")) from None
    except (OSError, TypeError, ValueError) as error:
        raise DamagedBundle(damaged(folder, f"the card cannot be read ({error})")) from None
    if card.id != folder.name:
        raise DamagedBundle(damaged(folder, f"its card belongs to the bundle {card.id!r}"))
    return card


def damaged(folder: Path, what: str) -> str:
    """The sentence that refuses a bundle."""
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
