"""ImageNet weights into a network's body: from a file, or torchvision's own, fetched."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torchvision
from torch import Tensor

from pneumonia.errors import ModelError
from pneumonia.networks import weights
from pneumonia.networks.classifier import Classifier
from pneumonia.networks.registry import Entry

_CLASSIFIERS = ("fc.", "classifier.", "AuxLogits.", "aux1.", "aux2.")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which of the body's layers took weights and which start fresh, by name, in order.

    ``sha256`` is that of the file they came from; empty where there was none.
    """

    source: str
    layers: tuple[str, ...]
    fresh: tuple[str, ...]
    sha256: str = ""


def load_file(network: Classifier, path: Path) -> Loaded:
    """Load a ``.safetensors`` file of torchvision's parameter names into the body.

    Raises
    ------
    ModelError
        When the file cannot be read, fits nothing, or leaves a hole in the middle of the body.
    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        tensors, _ = weights.read(path)
    except (OSError, weights.WeightsFileError) as error:
        raise ModelError(
            f"The initial weights {path} cannot be read: {error}. Give a .safetensors file with "
            "torchvision's parameter names."
        ) from None
    return replace(load(network, tensors, path.name), sha256=sha256)


def load_imagenet(network: Classifier, entry: Entry) -> Loaded:
    """Fetch torchvision's ImageNet weights and load them.

    Raises
    ------
    ModelError
        When torchvision has none for this architecture or they cannot be fetched.
    """
    if entry.imagenet is None:
        raise ModelError(
            f"torchvision has no ImageNet weights for {entry.name}. "
            "Pass --init-weights FILE, or --init-weights none to start from scratch."
        )
    state = fetch(entry.imagenet)
    return load(network, state, f"torchvision {entry.imagenet}")


def fetch(name: str) -> dict[str, Tensor]:
    """torchvision's weights by their name. Raises ModelError when they cannot be fetched."""
    try:
        state: dict[str, Tensor] = torchvision.models.get_weight(name).get_state_dict(
            progress=False
        )
    except OSError as error:
        raise ModelError(
            f"torchvision's ImageNet weights ({name}) could not be fetched: {error}. "
            "Pass --init-weights FILE to start from a file, or --init-weights none to start from "
            "scratch."
        ) from None
    return state


def load(network: Classifier, tensors: dict[str, Tensor], source: str) -> Loaded:
    """Load tensors by name; whole layers (children of the body) may be missing at its end."""
    tensors = {k: v for k, v in tensors.items() if not k.startswith(_CLASSIFIERS)}
    state = network.body.state_dict()
    wrong = sorted(k for k, v in tensors.items() if k not in state or state[k].shape != v.shape)
    if wrong:
        raise ModelError(
            f"The initial weights {source} do not belong to this architecture: {wrong[0]} and "
            f"{len(wrong) - 1} more do not fit. Choose the file made for it."
        )
    missing = {
        k.split(".")[0] for k in state if k not in tensors and not k.endswith("num_batches_tracked")
    }
    named = [name for name, child in network.body.named_children() if child.state_dict()]
    fresh = tuple(name for name in named if name in missing)
    if fresh != tuple(named[len(named) - len(fresh) :]) or len(fresh) == len(named):
        raise ModelError(
            f"The initial weights {source} are incomplete: {', '.join(fresh)} are missing. Only "
            "the last layers of the body may start fresh."
        )
    network.body.load_state_dict(tensors, strict=False)
    return Loaded(source, tuple(n for n in named if n not in fresh), fresh)
