"""Initial weights of a network: torchvision's, fetched; a file's; or none, from scratch."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from torch import Tensor

from pneumonia.errors import ModelError
from pneumonia.networks import registry, weights
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.registry import Entry
from train.recipes.recipe import Recipe
from train.reporter import Reporter

_CLASSIFIERS = ("fc.", "last_linear.", "classifier.", "AuxLogits.", "aux1.", "aux2.")
# torchvision's files still say "norm.1" where its DenseNet has long said "norm1".
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Initial weights: which of the body's layers took them and which are new, by name, in order.

    The architecture's own dense layers count as one layer, "dense", after the body's.
    ``sha256`` is that of the file they came from; empty where there was none.
    """

    source: str
    layers: tuple[str, ...]
    new_layers: tuple[str, ...]
    sha256: str = ""


def choose_source(recipe: Recipe, init_weights: str, reporter: Reporter) -> str:
    """``auto`` becomes ``imagenet`` where torchvision has weights and they can be had, or ``none``.

    Whatever it becomes, the card says it; a person is warned where training starts from scratch.
    """
    if init_weights != "auto":
        return init_weights
    entry = registry.entry(recipe.network.architecture)
    entry = registry.entry(entry.imagenet_architecture)
    if entry.imagenet is None:
        reporter.warn(f"torchvision has no weights for {entry.name}: it starts from scratch")
        return "none"
    try:
        fetch(entry.imagenet)
    except ModelError as error:
        reporter.warn(f"{error} It starts from scratch.")
        return "none"
    return "imagenet"


def make_network(
    recipe: Recipe, init_weights: str, seed: int
) -> tuple[Classifier, InitialWeights, Recipe]:
    """Build the recipe's network and give it its initial weights.

    torchvision's weights may belong to a sister architecture; the recipe returned names the one
    that was built.
    """
    torch.manual_seed(seed)
    entry = registry.entry(recipe.network.architecture)
    if init_weights == "imagenet":
        entry = registry.entry(entry.imagenet_architecture)
        recipe = replace(recipe, network=replace(recipe.network, architecture=entry.name))
    network = build(recipe.network)
    if init_weights == "none":
        return network, InitialWeights("none", (), _layers_with_weights(network)), recipe
    if init_weights == "imagenet":
        return network, load_imagenet(network, entry), recipe
    return network, load_file(network, Path(init_weights)), recipe


def load_file(network: Classifier, path: Path) -> InitialWeights:
    """Load a ``.safetensors`` file of torchvision's parameter names; see :func:`load`.

    Raises
    ------
    ModelError
        When the file cannot be read, does not fit, or leaves a hole before the last layers.
    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        tensors = weights.read(path)
    except (OSError, weights.WeightsFileError) as error:
        raise ModelError(
            f"The initial weights {path} cannot be read: {error}. Give a .safetensors file with "
            "torchvision's parameter names."
        ) from None
    return replace(load(network, tensors, path.name), sha256=sha256)


def load_imagenet(network: Classifier, entry: Entry) -> InitialWeights:
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


def load(network: Classifier, tensors: dict[str, Tensor], source: str) -> InitialWeights:
    """Load tensors by torchvision's names into the body and the architecture's dense layers.

    Tensors of a classifier are left out, as are those of layers past the end of a cut body. The
    last layers may be missing, whole or in part: what there is of them is loaded, and they count as
    new.

    Raises
    ------
    ModelError
        When a tensor fits nothing, or one is missing before the last layers.
    """
    state = {k: v for k, v in network.state_dict().items() if k.startswith(("body.", "dense."))}
    places = {name: _place(name, network, state) for name in tensors}
    wrong = sorted(
        name
        for name, place in places.items()
        if place and (place not in state or state[place].shape != tensors[name].shape)
    )
    if wrong:
        raise ModelError(
            f"The initial weights {source} do not belong to this architecture: {wrong[0]} and "
            f"{len(wrong) - 1} more do not fit. Choose the file made for it."
        )
    found = {place: tensors[name] for name, place in places.items() if place}
    missing = {_layer(k) for k in state if k not in found and not k.endswith("num_batches_tracked")}
    named = list(dict.fromkeys(_layer(k) for k in state))
    new = tuple(name for name in named if name in missing)
    if new != tuple(named[len(named) - len(new) :]) or len(new) == len(named):
        raise ModelError(
            f"The initial weights {source} are incomplete: {', '.join(new)} are missing. Only "
            "the last layers may be new."
        )
    network.load_state_dict(found, strict=False)
    return InitialWeights(source, tuple(n for n in named if n not in new), new)


def _place(name: str, network: Classifier, state: Mapping[str, Tensor]) -> str | None:
    """Where a tensor of torchvision's belongs in our network; None where it is not wanted."""
    if name.startswith(_CLASSIFIERS):
        # VGG's "classifier" begins with the dense layers that are part of the architecture.
        place = name.replace("classifier.", "dense.", 1)
        return place if place in state else None
    name = _OLD_DENSENET.sub(r"\1\2", name.removeprefix("features."))
    return None if name.split(".")[0] in network.left_out else f"body.{name}"


def _layer(key: str) -> str:
    """``body.layer1.0.conv1.weight`` -> ``layer1``; ``dense.0.weight`` -> ``dense``."""
    part, layer, *_ = key.split(".")
    return layer if part == "body" else part


def _layers_with_weights(network: Classifier) -> tuple[str, ...]:
    """Names of all layers with weights, but for the head."""
    parts = [*network.body.named_children(), ("dense", network.dense)]
    return tuple(name for name, part in parts if part.state_dict())
