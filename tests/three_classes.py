"""A bundle that tells bacterial from viral: a tiny network of three outputs, its card by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pneumonia.analysis.bundle import file_sha256
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.outputs import pneumonia_logit, viral_logit
from pneumonia.networks.spec import NetworkSpec
from tests.inputs import apply
from train.bundle.export import round_to_half
from train.files import write_weights

#: What the card says of telling the two apart: right for 61 of 85.
VALIDATION = {
    "n": 85,
    "correct": 61,
    "accuracy": {"value": 0.7176, "ci95": [0.6143, 0.8024]},
    "auroc": {"value": 0.7612, "ci95": [0.6544, 0.8561]},
}


def write_bundle(like: Path, folder: Path) -> Path:
    """A bundle of three outputs with random weights in ``folder``.

    Parameters
    ----------
    like
        A bundle of one output: whatever does not hang on the outputs is taken from its card.
    """
    raw = json.loads((like / "card.json").read_text(encoding="utf-8"))
    network, outputs = _network(PreprocessSpec.from_dict(raw["preprocess"]))
    folder.mkdir(parents=True)
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    write_weights(folder / "weights.safetensors", state, "resnet18")
    card = raw | {
        "id": folder.name,
        "head": {"hidden": [], "dropout": 0.0, "outputs": 3},
        "classes": ["normal", "bacterial", "viral"],
        "calibration": raw["calibration"] | _centred(pneumonia_logit(outputs)),
        "etiology": _centred(viral_logit(outputs)) | {"validation": VALIDATION},
        "weights": raw["weights"] | {"sha256": file_sha256(folder / "weights.safetensors")},
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def _network(spec: PreprocessSpec) -> tuple[Classifier, torch.Tensor]:
    """A network whose batch statistics are those of drawn films, and its outputs for them."""
    radiographs = [
        synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(128, 128)) for seed in range(16)
    ]
    inputs = [apply(radiograph.astype(np.float32) / 255, spec)[0] for radiograph in radiographs]
    batch = torch.from_numpy(np.stack(inputs))
    torch.manual_seed(5)
    network = build(NetworkSpec("resnet18", outputs=3))
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(batch)
    round_to_half(network)
    with torch.inference_mode():
        return network, network.eval()(batch)


def _centred(logits: torch.Tensor) -> dict[str, Any]:
    """A calibration under which half of the films lie on either side of one half."""
    return {"temperature": float(logits.std()), "bias": -float(logits.median())}
