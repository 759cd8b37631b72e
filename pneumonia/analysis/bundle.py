"""A model bundle on disk: ``models/<id>/`` holds a card, the weights and, mostly, a lung network.

A bundle whose files are not those that the card was made for is refused.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumonia.analysis.card import Card, damaged, read_card
from pneumonia.analysis.lung_card import read_lung_card
from pneumonia.errors import DamagedBundle

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False, slots=True)
class Bundle:
    """A bundle whose files are those of its card; the weights are left to an engine to read.

    ``lungs`` is what ``lungs.json`` says; None for a bundle without a lung network.
    """

    folder: Path
    card: Card
    lungs: dict[str, Any] | None


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's cards and check its files.

    Raises
    ------
    NoModel, DamagedBundle
        When the bundle is absent, or any of its files is not what the card says.
    """
    card = read_card(folder)
    _check_hash(folder, WEIGHTS, card.weights_sha256)
    for name, expected in (card.lungs_sha256 or {}).items():
        _check_hash(folder, name, expected)
    return Bundle(folder, card, read_lung_card(folder) if card.lungs_sha256 else None)


def _check_hash(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not path.is_file():
        raise DamagedBundle(damaged(folder, f"{name} is missing"))
    found = file_sha256(path)
    if found != expected:
        raise DamagedBundle(
            damaged(
                folder,
                f"{name} has the SHA-256 {found[:12]}..., "
                f"and the card was made for {expected[:12]}...",
            )
        )


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
