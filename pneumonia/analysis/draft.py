"""A first pass in 16 bits, and how far its logit may lie from that of the exact one."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from pneumonia.networks.classifier import Classifier

DEVIATIONS = 8
"""How many standard deviations of the difference count as possible. On the shipped model's 785
validation films the largest difference was 5.5 of them."""


@dataclass(frozen=True, eq=False, slots=True)
class Draft:
    """A classifier's body that rounds to 16 bits within.

    Attributes
    ----------
    margin
        In logits: an exact pass gives a logit no farther away than this.
    """

    body: nn.Module
    margin: float

    @classmethod
    @torch.inference_mode()
    def of(cls, body: nn.Module, network: Classifier, probe: Tensor) -> Self:
        """A draft held against the network whose body it stands for.

        The logit is the mean of the map's cells and a constant. Rounding errors of different cells
        are independent, so the mean's deviation is that of a cell over the root of their number.
        """
        errors = network.map(body(probe)) - network.map(network.body(probe))
        cell = float(errors.square().mean()) ** 0.5
        return cls(body, DEVIATIONS * cell / errors[0].numel() ** 0.5)
