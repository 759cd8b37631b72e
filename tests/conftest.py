"""What all tests share: the real films where they lie, a tiny real bundle, the app over it."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from flask import Flask

from pneumonia.analysis.population import Population
from pneumonia.config import ROOT
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.outputs import pneumonia_logit
from pneumonia.networks.spec import NetworkSpec
from tests.inputs import apply
from tests.running import running
from tests.three_classes import write_bundle
from train.bundle.export import Origins, Served, export, round_to_half
from train.bundle.provenance import SCRATCH
from train.data.declaration import Declaration
from train.data.manifest import Row
from train.initial import InitialWeights
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe

SHIPPED = ROOT / "models" / "default"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, which are not part of the repository."""
    folder = Path(os.environ.get("TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "kermany").is_dir():
        pytest.skip(f"no real films at {folder}: set TEST_DATA to the folder that holds kermany/")
    return folder


@pytest.fixture(scope="session")
def shipped_bundle() -> Path:
    """The bundle in models/default."""
    assert (SHIPPED / "card.json").is_file(), "models/default must ship with the repository"
    return SHIPPED


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """A recipe that trains in seconds: resnet18 at 64 pixels."""
    base = recipes.load("default").as_dict()
    base["network"] = {"architecture": "resnet18", "dropout": 0.1}
    base["preprocess"] |= {"size": 64, "grid": 64, "crop": "film", "levels": "window"}
    base["training"] |= {"epochs": 2, "batch_size": 4, "precision": "float32"}
    base["training"] |= {"samples_per_epoch": 0, "sampling": "all"}
    base["augmentation"] |= {"outside": 0.0, "covered": 0.0}
    base["supervision"] = {}
    base["split"] = {"fraction": 0.3, "seed": 1}
    return Recipe.from_dict(base | {"name": "tiny"})


@pytest.fixture(scope="session")
def tiny_network(tiny_recipe: Recipe) -> Classifier:
    torch.manual_seed(7)
    network = build(NetworkSpec("resnet18"))
    # Fresh statistics make all films alike: let the network see what films look like.
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(
                torch.from_numpy(np.stack([x for x, _ in _radiographs(tiny_recipe.preprocess, 8)]))
            )
    round_to_half(network)
    return network.eval()


@pytest.fixture(scope="session")
def tiny_bundle(
    tmp_path_factory: pytest.TempPathFactory, tiny_network: Classifier, tiny_recipe: Recipe
) -> Path:
    """A bundle of a network with random weights, written by the real export.

    Its validation films are labelled by its own ranking, so that a calibration exists.
    """
    inputs = torch.from_numpy(np.stack([x for x, _ in _radiographs(tiny_recipe.preprocess, 16)]))
    with torch.inference_mode():
        outputs, maps = tiny_network.forward_with_map(inputs)
    logits = pneumonia_logit(outputs)
    labels = ["PNEUMONIA" if z > logits.median() else "NORMAL" for z in logits]
    rows = [
        Row(f"{i}.png", Path(f"{i}.png"), "train", label, patient=str(i))  # type: ignore[arg-type]
        for i, label in enumerate(labels)
    ]
    out = tmp_path_factory.mktemp("models") / "tiny"
    origins = Origins(
        data=Declaration(
            "synthetic films",
            "pneumonia.imaging.synthetic",
            "Apache-2.0",
            Population("drawn chests", (1, 99)),
        ),
        names_patients=True,
        data_digest="0" * 64,
        initial=InitialWeights("none", (), ()),
        initial_weights=SCRATCH,
        lungs=None,
        training=rows,
        validation=rows,
        settings={"seed": 7},
    )
    served = Served.of(outputs.double().numpy(), maps.numpy())
    export(tiny_network, tiny_recipe, origins, served, out)
    return out


@pytest.fixture(scope="session")
def etiology_bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells bacterial from viral."""
    return write_bundle(tiny_bundle, tmp_path_factory.mktemp("models") / "three")


def _radiographs(spec: PreprocessSpec, n: int) -> Iterator[tuple[np.ndarray, bool]]:
    for seed in range(n):
        radiograph = synthetic_radiograph(seed, opacity=seed % 2 == 1, size=(128, 128))
        yield apply(radiograph.astype(np.float32) / 255, spec)[0], seed % 2 == 1


@pytest.fixture
def app(tiny_bundle: Path, tmp_path: Path) -> Iterator[Flask]:
    """The app over the tiny bundle, ready; pytest-flask makes ``client`` of it."""
    with running(tiny_bundle, tmp_path / "var") as app:
        yield app
