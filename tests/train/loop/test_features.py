"""Kept features: made once, told apart by all that they depend on, whole even if made twice."""

from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
import torch

from pneumonia.imaging.preprocess import PreprocessSpec
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.spec import NetworkSpec
from tests.train.conftest import Listener
from train.data.dataset import Decoded, RadiographDataset
from train.data.datasets import Datasets
from train.loop.device import Device
from train.loop.features import compute_features, keep_features
from train.recipes.recipe import Recipe
from train.recipes.sections import Augmentation

SPEC = PreprocessSpec(size=64, grid=64)
CPU = Device("cpu", "float32")


def radiograph_set(augmentation: Augmentation | None = None, seed: int = 0) -> RadiographDataset:
    squares = np.random.default_rng(1).random((6, 64, 64), np.float32)
    return RadiographDataset(Decoded(squares, np.array([0, 1] * 3)), SPEC, augmentation, seed)


@pytest.fixture(scope="module")
def network() -> Classifier:
    torch.manual_seed(2)
    return build(NetworkSpec("resnet18", until="layer2")).eval()


def test_every_view_is_what_that_epoch_would_have_drawn(network, tmp_path) -> None:
    radiographs = radiograph_set(Augmentation(rotation_degrees=20))
    frozen = torch.nn.Sequential(network.body, network.pool).eval()
    kept = compute_features(frozen, radiographs, 2, tmp_path / "f.npy", CPU, lambda _: None)
    assert kept.features.shape == (2, 6, 128)
    with torch.inference_mode():
        expected = frozen(radiographs[(1, 3)].x[None])[0]
    batch = kept.__getitems__([(1, 3), (3, 3), (0, 3)])
    torch.testing.assert_close(batch.x[0], expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(batch.x[0], batch.x[1])  # views come round
    assert not torch.equal(batch.x[0], batch.x[2])
    assert batch.target.tolist() == [1, 1, 1]


def test_two_who_make_the_same_features_do_not_meet(network, tmp_path) -> None:
    radiographs, made = radiograph_set(), []
    frozen = torch.nn.Sequential(network.body, network.pool).eval()

    def make() -> None:
        made.append(
            compute_features(frozen, radiographs, 1, tmp_path / "f.npy", CPU, lambda _: None)
        )

    threads = [Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert np.array_equal(made[0].features, made[1].features)
    assert (np.abs(made[0].features).sum(axis=2) > 0).all()


def names_of(recipe: Recipe, network: Classifier, precision: str, seed: int, tmp_path) -> set[str]:
    datasets = Datasets(
        (), radiograph_set(Augmentation(flip=0.5), seed), (), radiograph_set(), (), "digest"
    )
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    (tmp_path / "cache").mkdir(exist_ok=True)
    before = set((tmp_path / "cache").iterdir())
    keep_features(
        network, len(network.body), recipe, datasets, Device("cpu", precision),
        source="source", folder=folder, workers=0, reporter=Listener(),
    )  # fmt: skip
    return {path.name for path in set((tmp_path / "cache").iterdir()) - before}


def test_features_are_told_apart_by_all_that_they_depend_on(tiny_recipe, tmp_path) -> None:
    torch.manual_seed(3)
    plain, sister = (build(NetworkSpec(name)) for name in ("resnet50", "resnet50-v1"))
    sister.load_state_dict(plain.state_dict())

    def of(name: str) -> Recipe:
        return replace(tiny_recipe, network=NetworkSpec(name))

    assert len(names_of(of("resnet50"), plain, "float32", 0, tmp_path)) == 2
    assert len(names_of(of("resnet50"), plain, "float32", 0, tmp_path)) == 0
    assert len(names_of(of("resnet50-v1"), sister, "float32", 0, tmp_path)) == 2
    assert len(names_of(of("resnet50"), plain, "bfloat16", 0, tmp_path)) == 2
    assert (
        len(names_of(of("resnet50"), plain, "float32", 1, tmp_path)) == 1
    )  # plain films: the same


def test_what_is_broken_off_leaves_nothing_behind(network, tmp_path) -> None:
    def pulled(_: int) -> None:
        raise KeyboardInterrupt

    frozen = torch.nn.Sequential(network.body, network.pool).eval()
    with pytest.raises(KeyboardInterrupt):
        compute_features(frozen, radiograph_set(), 1, tmp_path / "f.npy", CPU, pulled)
    assert list(tmp_path.iterdir()) == []
