"""What a card holds of calibration: for all films, and for each population apart."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pneumonia.analysis.card import CARD
from pneumonia.analysis.finding import DEFAULT_OPERATING_POINT, OperatingPoint
from pneumonia.analysis.population import Population
from pneumonia.errors import DataError
from train.bundle import calibrate
from train.bundle.calibrate import PlattScaling
from train.bundle.held_out import HeldOut
from train.bundle.operating_points import choose_operating_points, describe_operating_point
from train.files import write_text

Points = dict[str, OperatingPoint]
Fitted = tuple[PlattScaling, Points]
_METHOD = (
    "temperature and bias, by maximum likelihood with Platt's smoothed targets; every population "
    "and source counts alike"
)

_FILMS = (
    "of patients, or of whole places, that were kept out of the training of the network that "
    "scored them"
)


def measure(films: HeldOut, populations: Mapping[str, Population]) -> dict[str, Any]:
    """Calibration, operating points and figures, as a card holds them.

    Where the films hold two of the populations or more, each with both classes, these are fitted
    apart. What stands for all is then for films of which nobody says whose they are: its band
    reaches as far as that of any population.

    Parameters
    ----------
    films
        That the network did not learn from.
    populations
        Those that may be told apart, by the name that the films have.
    """
    parts = {name: films.of_population(name) for name in populations}
    fitted = {name: fit(part) for name, part in parts.items() if part.has_both_classes}
    if len(fitted) < 2:
        return describe(films, *fit(films)) | {"populations": {}}
    scaling = calibrate.fit_calibration(films.labels, films.logits, films.weights)
    cautious = {
        name: _be_cautious(name, scaling, fitted)
        for name in choose_operating_points(films.labels, scaling.probabilities(films.logits))
    }
    return describe(films, scaling, cautious) | {
        "populations": {
            name: {"population": populations[name].as_dict()} | describe(parts[name], *one)
            for name, one in fitted.items()
        }
    }


def recalibrate(folder: Path, films: HeldOut) -> dict[str, Any]:
    """Calibrate a bundle anew, and write its card. Returns the card.

    Raises
    ------
    DataError
        When the films are of one class.
    """
    if not films.has_both_classes:
        raise DataError("The predictions hold one class; calibration needs normals and pneumonias.")
    path = folder / CARD
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    declared = card["data"].get("populations", {})
    measured = measure(films, {name: Population.from_dict(one) for name, one in declared.items()})
    for one in (measured, *measured["populations"].values()):
        one["calibration"]["films"] = _FILMS
    card |= measured
    write_text(path, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return card


def fit(films: HeldOut) -> Fitted:
    """Temperature and bias, and the operating points, for films that are taken together."""
    scaling = calibrate.fit_calibration(films.labels, films.logits, films.weights)
    probabilities, perturbed = map(scaling.probabilities, (films.logits, films.perturbed))
    points = choose_operating_points(films.labels, probabilities, perturbed, films.sources.tolist())
    return scaling, points


def _be_cautious(name: str, scaling: PlattScaling, fitted: Mapping[str, Fitted]) -> OperatingPoint:
    """A point whose band reaches from the lowest edge of any population to the highest."""
    thresholds, edges = [], []
    for own, points in fitted.values():
        point = points[name]
        thresholds.append(own.logit(point.threshold))
        edges += [own.logit(p) for p in (point.threshold, *(point.indeterminate or ()))]
    at, low, high = (
        float(p)
        for p in scaling.probabilities(
            np.array([sum(thresholds) / len(thresholds), min(edges), max(edges)])
        )
    )
    return OperatingPoint(name, at, (low, high) if low < high else None)


def describe(films: HeldOut, scaling: PlattScaling, points: Points) -> dict[str, Any]:
    """What was fitted as a card holds it, with its figures on the films it was fitted to."""
    probabilities, perturbed = map(scaling.probabilities, (films.logits, films.perturbed))
    patients, labels = films.patients.tolist(), films.labels
    balanced = points[DEFAULT_OPERATING_POINT]
    return {
        "calibration": {
            "method": _METHOD,
            **asdict(scaling),
            "frequency": calibrate.count_frequency(labels, probabilities),
        },
        "operating_points": {
            name: describe_operating_point(
                point, labels, probabilities, patients, perturbed, films.sources.tolist()
            )
            for name, point in points.items()
        },
        "validation": calibrate.summarise(labels, probabilities, patients, balanced),
    }
