"""Record of one training of the comparison, kept beside its bundle, to go on from."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from train.bundle.calibrate import NothingLearntError
from train.files import write_text
from train.recipes.recipe import Recipe
from train.research.comparison.cost import Cost, Speed
from train.research.comparison.measure import Figures

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
        None until it is trained.
    measured
        Figures by part of the data.
    """

    reason: str = ""
    code: str = ""
    cost: Cost | None = None
    speed: Speed | None = None
    measured: dict[str, Figures] = field(default_factory=dict)

    @property
    def learnt_nothing(self) -> bool:
        """Whether the network could not be calibrated: it has no bundle, only a history."""
        return self.code == NothingLearntError.code

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where there is none, or none that this version reads."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            cost, speed = values["cost"], values["speed"]
            measured = {part: Figures.from_dict(v) for part, v in values["measured"].items()}
            return cls(
                values["reason"],
                values["code"],
                Cost(**cost) if cost else None,
                Speed(**speed) if speed else None,
                measured,
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def recipe_key(recipe: Recipe, conditions: dict[str, Any]) -> str:
    """Eight hex digits that change with whatever changes what is trained."""
    trained = {name: value for name, value in recipe.as_dict().items() if name not in _PROSE}
    text = json.dumps([trained, conditions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
