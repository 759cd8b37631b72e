"""The lung network on disk: ``lungs.safetensors``, and ``lungs.json``, which says how to use it.

The card also says how well the network does, and what the gate expects of a chest film's features.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pneumonia.analysis.gate_limits import Expected, GateLimits
from pneumonia.analysis.outlier_model import OutlierModel
from pneumonia.errors import DamagedBundle

CARD = "lungs.json"
WEIGHTS = "lungs.safetensors"
FILES = (CARD, WEIGHTS)


def read_lung_card(folder: Path) -> dict[str, Any]:
    """What ``lungs.json`` says.

    Raises
    ------
    DamagedBundle
        When it is missing or cannot be used.
    """
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        input_side(card)
        expectation(card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, error) from None
    return card


def damaged(folder: Path, why: Exception) -> DamagedBundle:
    """The refusal of a lung network."""
    return DamagedBundle(
        f"The lung network in {folder.name!r} cannot be used: {why}. Restore {CARD} and "
        f"{WEIGHTS}, or train them: flask train --data DIR --recipe lungs --out DIR"
    )


def input_side(card: dict[str, Any]) -> int:
    """Side of the network's square input, in pixels. Raises KeyError, TypeError or ValueError."""
    side = int(card["size"])
    if side < 32 or side % 32:
        raise ValueError(f"size must be a multiple of 32, not {side}")
    return side


def expectation(card: dict[str, Any]) -> Expected:
    """What the gate expects of a chest film. Raises KeyError, TypeError or ValueError."""
    return Expected(
        OutlierModel.from_dict(card["outlier_model"]), GateLimits.from_dict(card["gate"])
    )


def digest(folder: str) -> str:
    """SHA-256 (hex) of a lung network's weights; empty for ``"none"``."""
    if folder == "none":
        return ""
    return hashlib.sha256((Path(folder) / WEIGHTS).read_bytes()).hexdigest()
