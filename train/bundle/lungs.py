"""A trained lung network -> ``lungs.safetensors`` and ``lungs.json``."""

import json
from pathlib import Path
from typing import Any

from pneumonia.analysis.lung_segmenter import CARD, WEIGHTS
from pneumonia.networks.lung_unet import ARCHITECTURE, LungUNet
from train.files import write_text, write_weights


def write(folder: Path, network: LungUNet, card: dict[str, Any]) -> dict[str, Any]:
    """Write a lung network, already rounded to half precision, and its card. Returns the card."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    write_weights(folder / WEIGHTS, state, ARCHITECTURE)
    whole = {"architecture": ARCHITECTURE} | card
    write_text(folder / CARD, json.dumps(whole, indent=2) + "\n")
    return whole
