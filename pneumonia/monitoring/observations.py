"""Readings as arrays: what agreement and drift are worked out from."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Seen(IntEnum):
    """What the last review says that the film shows."""

    NOT_REVIEWED = -2
    UNSURE = -1
    NO_PNEUMONIA = 0
    PNEUMONIA = 1


@dataclass(frozen=True, eq=False, slots=True)
class Observations:
    """n readings of one model, the oldest first.

    Attributes
    ----------
    at
        datetime64[us] (n,), in UTC.
    probabilities, thresholds
        float64 (n,), calibrated, in [0, 1]: what was shown, and where it became pneumonia.
    logits
        float64 (n,), of pneumonia, before calibration.
    indeterminate, outside
        bool (n,): called neither; of a patient or view that the model does not know.
    seen
        int8 (n,), of :class:`Seen`.
    distances
        float64 (n,): how far the film is from chest films, 1 where the gate refuses it; nan where
        it was not measured or not kept.
    """

    at: NDArray[np.datetime64]
    probabilities: Floats
    thresholds: Floats
    logits: Floats
    indeterminate: Bools
    outside: Bools
    seen: NDArray[np.int8]
    distances: Floats

    def __len__(self) -> int:
        return len(self.at)

    def where(self, chosen: Bools) -> Self:
        """Those of the readings that are chosen, by a bool (n,)."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))
