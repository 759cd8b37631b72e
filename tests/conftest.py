"""What all tests share: the real films where they lie, a tiny real bundle, the app over it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from flask import Flask
from sqlalchemy import Engine

from pneumonia.analysis.population import Population
from pneumonia.config import ROOT
from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.outputs import pneumonia_logit
from pneumonia.networks.spec import NetworkSpec
from pneumonia.records import Store, database
from tests.inputs import apply
from tests.running import running
from tests.three_classes import write_bundle
from train import metrics
from train.bundle.export import Origins, Served, export, round_to_half
from train.bundle.provenance import SCRATCH
from train.data.declaration import Declaration
from train.data.manifest import Row
from train.initial import InitialWeights
from train.recipes import recipe as recipes
from train.recipes.recipe import Recipe

SHIPPED = ROOT / "models" / "default"


@pytest.fixture(scope="session", autouse=True)
def quick_migrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new SQLite database begins as a copy of one that was migrated, and is migrated then.

    All migrations together take longer than most tests. Those of tests/records/test_migrations.py
    run them, and so does every server in a process of its own.
    """
    template = tmp_path_factory.mktemp("migrated") / "template.sqlite3"
    migrated = Store(f"sqlite:///{template}", template.parent)
    migrated.migrate()
    migrated.close()

    def migrate(engine: Engine) -> None:
        if engine.dialect.name == "sqlite":
            _begin_as(template, Path(str(engine.url.database)))
        database.migrate(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pneumonia.records.store.migrate", migrate)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_resamples() -> Iterator[None]:
    """A bootstrap of a tenth of the resamples; tests/train/test_metrics.py has them all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(metrics.bootstrap_each.__kwdefaults__, "rounds", 100)
        patch.setitem(metrics.bootstrap.__kwdefaults__, "rounds", 100)
        yield


def _begin_as(template: Path, path: Path) -> None:
    """Copy it to where no file is, whole or not at all: others may look at the same time."""
    if path.exists() or not path.parent.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copied = shutil.copyfile(template, Path(folder) / path.name)
        with suppress(FileExistsError):
            os.link(copied, path)


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
    inputs = torch.from_numpy(np.stack([x for x, _ in _radiographs(tiny_recipe.preprocess, 8)]))
    with torch.no_grad():
        for _ in range(20):
            network(inputs)
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


@pytest.fixture(scope="module")
def app(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One for all tests of a file that ask for nothing special: a model takes a while to load."""
    with running(tiny_bundle, tmp_path_factory.mktemp("var")) as app:
        yield app
