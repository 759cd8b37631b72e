"""Where a run stands after an epoch, on disk, whole or not at all."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from pneumonia.errors import RunError

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the history. Rates are at a probability of 0.5, before calibration."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_auroc: float
    val_sensitivity: float
    val_specificity: float
    weights: str
    learning_rate: float
    seconds: float


@dataclass(slots=True)
class Progress:
    """Everything a run needs to go on as if it had never stopped.

    Random numbers need no state here: each draw is made anew from (seed, epoch, film).
    """

    epoch: int = 0
    step: int = 0
    best_score: float = float("-inf")
    best_epoch: int = 0
    stale_epochs: int = 0
    history: list[Epoch] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values | {"history": [Epoch(**row) for row in values["history"]]})


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values through a rename, so that a kill leaves the one before."""
    partial = path.with_name(path.name + ".partial")
    torch.save(content, partial)
    partial.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Raises RunError when the file is not a sound checkpoint. Never unpickles code."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(
            f"The checkpoint {path} cannot be read ({type(error).__name__}). "
            "Remove it to start this run from its first epoch."
        ) from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is not a checkpoint of a training run.")
    return content
