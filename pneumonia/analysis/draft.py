"""A first pass in 16 bits, and how far its logit may lie from that of the exact one."""

import logging
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.engines.engine import Networks, Run

TOLERANCE = 0.1
"""Largest distance of the draft's maps from the exact ones, as a part of the norm of these."""

DEVIATIONS = 8
"""How many standard deviations of the difference count as possible. On the shipped model's 785
validation films the largest difference was 5.5 of them."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class Draft:
    """A classifier's body that rounds to 16 bits within.

    Attributes
    ----------
    margin
        In logits: an exact pass gives a logit no farther away than this.
    """

    body: Run
    margin: float

    @classmethod
    def of(cls, body: Run, networks: Networks, probe: NDArray[np.float32]) -> Self | None:
        """A draft held against the body that it stands for; None if it is far from it.

        The logit is the mean of the map's cells and a constant. Rounding errors of different cells
        are independent, so the mean's deviation is that of a cell over the root of their number.
        """
        _, exact, *_ = networks.reader(networks.body(probe)[0])
        _, drafted, *_ = networks.reader(body(probe)[0])
        errors = drafted - exact
        distance = float(np.linalg.norm(errors) / np.linalg.norm(exact))
        if not distance <= TOLERANCE:
            _log.warning(
                "no draft: its maps are %.2g of their norm away from the exact ones, more than %g",
                distance,
                TOLERANCE,
            )
            return None
        cell = float(np.sqrt(np.mean(np.square(errors))))
        return cls(body, DEVIATIONS * cell / errors[0].size ** 0.5)
