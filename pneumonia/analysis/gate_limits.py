"""The gate's limits, measured on one lung network: they lie in its ``lungs.json``."""

from dataclasses import dataclass, fields
from typing import Any, Self

from pneumonia.analysis.outlier_model import OutlierModel


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Limits on what the lung network finds on a film.

    Distances are those of :class:`pneumonia.analysis.outlier_model.OutlierModel`, 1 being far for
    a training film; the figures of outlined lungs are those of
    :class:`pneumonia.analysis.anatomy.LungPair`.

    Attributes
    ----------
    far
        Distance beyond which a picture is refused as no chest film.
    unlike
        Distance beyond which it is said that the film is unlike the training films.
    min_certainty, min_side_by_side, min_solidity, min_evenness
        What two outlined lungs have at least.
    sure
        Certainty from which an edge that the outline touches is an edge through a lung.
    cut_off, tight
        By edge: the share of the lungs' height (left, right) or width (top, bottom) that may lie
        on the film's edge before the film is refused, and before it is warned of.
    upright
        Probability below which it is said that the film may lie turned.
    """

    far: float
    unlike: float
    min_certainty: float
    min_side_by_side: float
    min_solidity: float
    min_evenness: float
    sure: float
    upright: float
    cut_off: dict[str, float]
    tight: dict[str, float]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what are no limits."""
        found: dict[str, Any] = {}
        for field in fields(cls):
            value = values[field.name]
            if field.name in ("cut_off", "tight"):
                found[field.name] = {
                    edge: float(value[edge]) for edge in ("left", "right", "top", "bottom")
                }
            else:
                found[field.name] = float(value)
        return cls(**found)


@dataclass(frozen=True, eq=False, slots=True)
class Expected:
    """What a lung network finds on chest films, from its ``lungs.json``."""

    outlier_model: OutlierModel
    limits: GateLimits
