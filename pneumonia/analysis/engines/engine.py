"""What the predictor asks of an engine: a bundle's networks, as functions of arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.bundle import Bundle

Arrays = tuple[NDArray[np.float32], ...]
Run = Callable[[NDArray[np.float32]], Arrays]
"""A network for evaluation: a float32 array in, one or more out, all with the batch first."""


class EngineRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """An engine cannot run a bundle, or does not give PyTorch's answers; the text says why."""


@dataclass(frozen=True, eq=False, slots=True)
class Networks:
    """A bundle's networks on an engine.

    Attributes
    ----------
    body
        (N, 3, S, S) normalised input -> (N, C, h, w) last feature map, in float32.
    reader
        Features -> (N,) logits of pneumonia, the (N, h, w) map in logits and, of three classes,
        (N,) logits that a pneumonia is viral.
    lungs
        The lung network; None for a bundle without one.
    draft
        The body, rounding to 16 bits within; None where that is not faster.
    """

    body: Run
    reader: Run
    lungs: Run | None
    draft: Run | None


class Engine(Protocol):
    """Runs networks for evaluation.

    Attributes
    ----------
    name
        For logs and for who watches the server.
    """

    @property
    def name(self) -> str: ...

    def load(self, bundle: Bundle) -> Networks:
        """A bundle's networks.

        Raises
        ------
        EngineRefusal
            When it cannot run them, or when they answer otherwise than in PyTorch.
        DamagedBundle
            When the weights are not those of the card.
        """
