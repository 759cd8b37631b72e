"""Where a run stands after an epoch, on disk, whole or not at all."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from pneumonia.errors import RunError
from train.files import replacing

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of the history: means over its training steps, and figures on validation.

    Rates are at a probability of 0.5, before calibration.
    """

    epoch: int
    train: dict[str, float]
    validation: dict[str, float]
    learning_rate: float
    seconds: float

    def row(self) -> dict[str, float]:
        """One line of ``history.csv``."""
        return {
            "epoch": self.epoch,
            **{f"train_{name}": value for name, value in self.train.items()},
            **{f"val_{name}": value for name, value in self.validation.items()},
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }


@dataclass(slots=True)
class Progress:
    """Everything a run needs to go on as if it had never stopped, beside the weights.

    Random numbers need no state here: each draw is made anew from (seed, epoch, radiograph).
    """

    epoch: int = 0
    best_score: float = float("-inf")
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)

    @property
    def stale_epochs(self) -> int:
        """Epochs since the best one."""
        return self.epoch - self.best_epoch

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values | {"history": [Epoch(**row) for row in values["history"]]})


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values."""
    with replacing(path) as partial:
        torch.save(content, partial)


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
