"""What the papers do, in whole runs: three classes, phases, own statistics."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.errors import DataError
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks import weights
from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from tests.train.conftest import Listener
from train.data.declaration import SHIPPED
from train.files import write_weights
from train.loop import run
from train.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Normal films, bacterial ones (white below) and viral ones (white above), 24 of each."""
    root = tmp_path_factory.mktemp("three")
    shutil.copy(SHIPPED / "kermany.toml", root / "data.toml")
    kinds = {
        "normal": ("NORMAL", "IM-{:04}-0001.png", slice(0, 0)),
        "bacterial": ("PNEUMONIA", "person{}_bacteria_1.png", slice(60, 100)),
        "viral": ("PNEUMONIA", "person{}_virus_1.png", slice(0, 40)),
    }
    for seed in range(72):
        label, name, rows = list(kinds.values())[seed % 3]
        radiograph = synthetic_radiograph(seed, opacity=False, size=(96, 112))
        radiograph[rows] = 255
        folder = root / "train" / label
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name.format(seed)), radiograph)
    return root


def of_three(recipe: Recipe, **changes) -> Recipe:
    return recipe.with_changes(
        {"network.outputs": 3, "loss": {"name": "cross_entropy", "alpha": 0.5, "gamma": 0.0}}
        | changes
    )


def options(radiographs: Path, out: Path, **changes) -> run.Options:
    chosen = {"init_weights": "none", "device": "cpu"} | changes
    return run.Options(data=str(radiographs), out=str(out), **chosen)


def test_three_classes_from_folder_to_bundle(tiny_recipe, three, tmp_path) -> None:
    recipe = of_three(tiny_recipe, **{"training.epochs": 6, "optimiser.new_layer_rate": 2e-3})
    run.start(recipe, options(three, tmp_path / "own"), tmp_path / "runs", Listener())
    bundle = read_bundle(tmp_path / "own")
    assert bundle.card.raw["classes"] == ["normal", "bacterial", "viral"]
    assert load_classifier(bundle).head[-1].out_features == 3
    etiology = bundle.card.raw["etiology"]["validation"]
    assert etiology["n"] == bundle.card.raw["data"]["validation"]["pneumonia"]
    assert etiology["correct"] / etiology["n"] == pytest.approx(etiology["accuracy"], abs=1e-4)
    assert etiology["auroc"]["value"] > 0.8


def test_three_classes_need_to_know_which_is_which(tiny_recipe, radiographs, tmp_path) -> None:
    own = tmp_path / "films"
    for label, names in (("NORMAL", "ab"), ("PNEUMONIA", "cd")):
        folder = own / "train" / label
        folder.mkdir(parents=True)
        for name in names * 20:
            number = len(list(folder.iterdir()))
            cv2.imwrite(str(folder / f"{name}{number}.png"), np.full((64, 64), number, np.uint8))
    with pytest.raises(DataError, match="is not known to be bacterial or viral"):
        run.start(
            of_three(tiny_recipe), options(own, tmp_path / "own"), tmp_path / "runs", Listener()
        )


def test_three_classes_need_radiographs_of_each(tiny_recipe, radiographs, tmp_path) -> None:
    with pytest.raises(DataError, match="training films hold none that is bacterial, and the"):
        run.start(
            of_three(tiny_recipe),
            options(radiographs, tmp_path / "own"),
            tmp_path / "runs",
            Listener(),
        )


def test_the_radiographs_own_mean_and_deviation_go_into_the_card(
    tiny_recipe, radiographs, tmp_path
) -> None:
    recipe = replace(tiny_recipe, statistics="dataset").with_changes({"training.epochs": 1})
    listener = Listener()
    card = run.start(recipe, options(radiographs, tmp_path / "own"), tmp_path / "runs", listener)
    mean, deviation = card["preprocess"]["mean"], card["preprocess"]["std"]
    assert len(set(mean)) == len(set(deviation)) == 1
    assert 0.2 < mean[0] < 0.8
    assert 0.1 < deviation[0] < 0.5
    assert card["recipe"]["statistics"] == "dataset"
    assert mean[0] != tiny_recipe.preprocess.mean[0]


def initial(tmp_path: Path) -> str:
    path = tmp_path / "init.safetensors"
    write_weights(path, build(NetworkSpec("resnet18")).body.state_dict())
    return str(path)


def test_layers_are_frozen_until_they_are_unfrozen(tiny_recipe, radiographs, tmp_path) -> None:
    recipe = tiny_recipe.with_changes(
        {
            "training.trainable": "head",
            "training.unfreeze_after": 2,
            "training.unfreeze_from": "layer4",
            "training.epochs": 3,
            "training.monitor": "none",
        }
    )
    init = initial(tmp_path)
    before = weights.read(Path(init))
    for epochs, moved in ((2, False), (3, True)):
        out = tmp_path / str(epochs)
        own = recipe.with_changes({"training.epochs": epochs})
        run.start(own, options(radiographs, out, init_weights=init), tmp_path / "runs", Listener())
        bundle = read_bundle(out)
        after = load_classifier(bundle).body.state_dict()
        for name, changes in (("layer4.1.conv2.weight", moved), ("layer3.1.conv2.weight", False)):
            same = np.array_equal(after[name].numpy(), before[name].half().float().numpy())
            assert same is not changes
        assert ("layer4" in bundle.card.raw["initial_weights"]["frozen"]) is not moved
