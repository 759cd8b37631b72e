"""Calibration of a model for the radiographs of one population: from a logit to a verdict."""

import math
from dataclasses import dataclass
from typing import Any, Self

from pneumonia.analysis.finding import OperatingPoint
from pneumonia.analysis.frequency import Frequency
from pneumonia.analysis.population import Population


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a logit into a probability and a verdict.

    Attributes
    ----------
    temperature, bias
        Probability of pneumonia = sigmoid((logit + bias) / temperature).
    operating_points
        By name, at least one.
    population
        Whose radiographs it holds for.
    frequency
        Validation radiographs grouped by probability, rising; may be empty.
    """

    temperature: float
    bias: float
    operating_points: dict[str, OperatingPoint]
    population: Population
    frequency: tuple[Frequency, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From a card, or one of its ``populations``.

        Raises KeyError, TypeError or ValueError for what is none.
        """
        fitted = values["calibration"]
        temperature = float(fitted["temperature"])
        if not temperature > 0:
            raise ValueError("the temperature must be positive")
        return cls(
            temperature=temperature,
            bias=float(fitted["bias"]),
            operating_points=_operating_points(values["operating_points"]),
            population=Population.from_dict(values["population"]),
            frequency=tuple(Frequency(**group) for group in fitted["frequency"]),
        )

    def probability(self, logit: float) -> float:
        """Calibrated, in [0, 1]."""
        return sigmoid((logit + self.bias) / self.temperature)


def sigmoid(logit: float) -> float:
    """A probability in [0, 1]; exact for logits of any size."""
    return 0.5 * (1 + math.tanh(0.5 * logit))


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
