"""A lung network on disk: ``lungs.safetensors`` and ``lungs.json``, and what its gate goes by."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.bundle import file_sha256
from pneumonia.analysis.card import CARD as BUNDLE_CARD
from pneumonia.analysis.engines.pytorch import load_segmenter
from pneumonia.analysis.gate_limits import GateLimits
from pneumonia.analysis.lung_card import CARD, WEIGHTS
from pneumonia.networks.lung_unet import ARCHITECTURE, LungUNet
from train.bundle import outlier_model
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


def fit_gate(
    bundle: Path,
    squares: NDArray[np.float32],
    sources: Sequence[str],
    limits: GateLimits | None = None,
) -> dict[str, Any]:
    """Fit what chest films look like to those that a bundle's classifier learnt from.

    Its lung network, and so every outline and verdict, stays as it is.

    Parameters
    ----------
    squares, sources
        See :func:`train.bundle.outlier_model.fit`.
    limits
        Instead of the lung network's own.

    Returns
    -------
    The bundle's card.
    """
    segmenter = load_segmenter(bundle)
    fitted = outlier_model.fit(segmenter, squares, sources)
    whole = (
        segmenter.card | {"outlier_model": fitted} | ({"gate": asdict(limits)} if limits else {})
    )
    write_text(bundle / CARD, json.dumps(whole, indent=2) + "\n")
    card: dict[str, Any] = json.loads((bundle / BUNDLE_CARD).read_text(encoding="utf-8"))
    card["lungs"]["sha256"][CARD] = file_sha256(bundle / CARD)
    write_text(bundle / BUNDLE_CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return fitted
