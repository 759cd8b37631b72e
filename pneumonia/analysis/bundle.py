"""A model bundle on disk: ``models/<id>/`` holds a card, the weights and, mostly, a lung network.

A bundle whose files are not those that the card was made for is refused.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from pneumonia.analysis.card import Card, damaged, read_card
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.errors import DamagedBundle, UnknownArchitecture
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier, build

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, eq=False, slots=True)
class Bundle:
    """All of a bundle, its networks in float32 and in evaluation mode; ``lungs`` may be absent."""

    card: Card
    network: Classifier
    lungs: LungSegmenter | None


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle whole.

    Raises
    ------
    NoModel, DamagedBundle
        When the bundle is absent, or any of its parts is not what the card says.
    """
    card = read_card(folder)
    _check_hash(folder, WEIGHTS, card.weights_sha256)
    try:
        network = build(card.network)
        state = weights.read(folder / WEIGHTS)
        network.load_state_dict({name: _to_float32(t) for name, t in state.items()})
    except (weights.WeightsFileError, UnknownArchitecture, RuntimeError) as error:
        raise DamagedBundle(damaged(folder, f"{WEIGHTS} does not fit: {error}")) from None
    lungs = None
    if card.lungs_sha256 is not None:
        for name, expected in card.lungs_sha256.items():
            _check_hash(folder, name, expected)
        lungs = LungSegmenter.load(folder)
    return Bundle(card, network.eval(), lungs)


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


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
