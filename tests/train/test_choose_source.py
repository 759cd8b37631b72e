"""Where a run's first weights come from when nobody says."""

import pytest

from pneumonia.errors import ModelError
from tests.train.conftest import Listener
from train.initial import choose_source
from train.recipes.recipe import Recipe


def of(recipe: Recipe, architecture: str) -> Recipe:
    return recipe.with_changes({"network.architecture": architecture})


@pytest.mark.parametrize("given", ["none", "imagenet", "/somewhere/file.safetensors"])
def test_what_is_given_stays(tiny_recipe, given) -> None:
    listener = Listener()
    assert choose_source(tiny_recipe, given, listener) == given
    assert listener.warnings == []


def test_an_architecture_that_torchvision_has_not_starts_from_scratch(tiny_recipe) -> None:
    listener = Listener()
    assert choose_source(of(tiny_recipe, "xception"), "auto", listener) == "none"
    assert listener.warnings == ["torchvision has no weights for xception: it starts from scratch"]


def test_weights_that_cannot_be_fetched_are_said_and_done_without(tiny_recipe, monkeypatch) -> None:
    def unreachable(name: str) -> None:
        raise ModelError(f"{name} could not be fetched.")

    monkeypatch.setattr("train.initial.fetch", unreachable)
    listener = Listener()
    assert choose_source(tiny_recipe, "auto", listener) == "none"
    assert listener.warnings == [
        "ResNet18_Weights.IMAGENET1K_V1 could not be fetched. It starts from scratch."
    ]


def test_weights_that_are_there_are_taken(tiny_recipe, monkeypatch) -> None:
    fetched = []
    monkeypatch.setattr("train.initial.fetch", fetched.append)
    # Its weights belong to the sister architecture.
    assert choose_source(of(tiny_recipe, "resnet50-v1"), "auto", Listener()) == "imagenet"
    assert fetched == ["ResNet50_Weights.IMAGENET1K_V2"]
