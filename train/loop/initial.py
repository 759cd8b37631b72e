"""The network that a run begins with, and where its first weights come from."""

from dataclasses import replace
from pathlib import Path

import torch

from pneumonia.errors import ModelError, RecipeError
from pneumonia.networks import pretrained, registry
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.pretrained import Loaded
from train.recipes.recipe import Recipe
from train.reporter import Reporter


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
        pretrained.fetch(entry.imagenet)
    except ModelError as error:
        reporter.warn(f"{error} It starts from scratch.")
        return "none"
    return "imagenet"


def make_network(recipe: Recipe, init_weights: str, seed: int) -> tuple[Classifier, Loaded, Recipe]:
    """Build the recipe's network and give it its initial weights.

    torchvision's weights may belong to a sister architecture; the recipe returned names the one
    that was built.
    """
    torch.manual_seed(seed)
    entry = registry.entry(recipe.network.architecture)
    if init_weights == "imagenet":
        entry = registry.entry(entry.imagenet_architecture)
        recipe = replace(recipe, network=replace(recipe.network, architecture=entry.name))
    network = build(recipe.network, auxiliary=recipe.training.auxiliary > 0)
    if recipe.training.auxiliary and not len(network.auxiliary):
        raise RecipeError(
            f"The recipe's training.auxiliary is {recipe.training.auxiliary}, and {entry.name} has "
            "no classifiers on the side. Leave it out."
        )
    if init_weights == "none":
        return network, Loaded("none", (), _layers(network)), recipe
    if init_weights == "imagenet":
        return network, pretrained.load_imagenet(network, entry), recipe
    return network, pretrained.load_file(network, Path(init_weights)), recipe


def _layers(network: Classifier) -> tuple[str, ...]:
    """Names of all layers with weights, but for the head."""
    parts = [*network.body.named_children(), ("dense", network.dense)]
    return tuple(name for name, part in parts if part.state_dict())
