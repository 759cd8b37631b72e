"""What is kept of one training of the comparison, beside its bundle, to go on from."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from train.bundle.calibrate import NothingLearntError
from train.files import write_text
from train.recipes.recipe import Recipe

# Words about a recipe, and the paper's figures: they change nothing that is trained.
_PROSE = {"name", "title", "paper", "reported", "reported_on", "differs", "figures"}


@dataclass(slots=True)
class Record:
    """How far a training got.

    Attributes
    ----------
    reason, code
        Of the last failure, in words and as the error's code; empty where nothing failed.
    cost
        What it took: see :func:`train.research.comparison.cost.of_training`. Empty until trained.
    speed
        Seconds of one film on the CPU: see :class:`train.research.comparison.cost.Speed`.
    measured
        Figures by part of the data: see :func:`train.research.comparison.measure.measure`.
    """

    reason: str = ""
    code: str = ""
    cost: dict[str, Any] = field(default_factory=dict)
    speed: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def learnt_nothing(self) -> bool:
        """Whether the network could not be calibrated: it has no bundle, only a history."""
        return self.code == NothingLearntError.code

    @property
    def shares_as_softmax(self) -> bool:
        """Whether bacterial and viral could not be calibrated apart."""
        return not all(f["classes"].get("calibrated", True) for f in self.measured.values())

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where there is none, or none that this version reads."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{f.name: values[f.name] for f in fields(cls)})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def without_prose(recipe: Recipe) -> dict[str, Any]:
    """All of a recipe that changes what is trained."""
    return {name: v for name, v in recipe.as_dict().items() if name not in _PROSE}


def key(recipe: Recipe, conditions: dict[str, Any]) -> str:
    """Eight hex digits that change with whatever changes what is trained."""
    text = json.dumps([without_prose(recipe), conditions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
