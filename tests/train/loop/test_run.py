"""Whole runs on synthetic films: from a folder to a bundle that serves, broken off and resumed."""

import contextlib
import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.card import read_card
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DataError, ModelError, RunError
from pneumonia.networks import weights
from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from tests.train.conftest import Listener
from train.data import manifest
from train.data.splits import select_rows
from train.evaluate.evaluate import evaluate
from train.files import write_weights
from train.loop import checkpoint, run
from train.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def recipe(tiny_recipe) -> Recipe:
    training = replace(
        tiny_recipe.training,
        epochs=3,
    )
    return replace(tiny_recipe, training=training)


def options(radiographs: Path, out: Path, **changes) -> run.Options:
    return run.Options(
        data=str(radiographs), out=str(out), init_weights="none", device="cpu", **changes
    )


@pytest.fixture(scope="module")
def finished(recipe, radiographs, tmp_path_factory):
    """One run from beginning to end: (run folder, bundle, what was said)."""
    base = tmp_path_factory.mktemp("finished")
    listener = Listener()
    run.start(recipe, options(radiographs, base / "models" / "own"), base / "runs", listener)
    (folder,) = (p for p in (base / "runs").iterdir() if p.name != "cache")
    return folder, base / "models" / "own", listener


def sha(bundle: Path) -> str:
    return read_card(bundle).weights_sha256


def test_the_run_folder_has_all_it_should(finished) -> None:
    folder, _, _ = finished
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json", "history.csv", "best.pt", "last.pt", "loss.png", "loss.svg",
        "accuracy.png", "accuracy.svg", "classes.png", "classes.svg",
    } <= names  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in names)
    with (folder / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert json.loads((folder / "config.json").read_text())["recipe"]["name"] == "tiny"


def test_tensorboard_opens_the_log(finished) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(finished[0]))
    log.Reload()
    assert {"loss/train", "loss/val", "auroc/val", "sensitivity/val"} <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("auroc/val")] == [1, 2, 3]


def test_one_line_an_epoch_with_its_figures(finished) -> None:
    lines = [line for line in finished[2].lines if line.startswith("epoch ")]
    assert len(lines) == 3
    for word in ("loss", "AUROC", "sensitivity", "specificity", "films/s"):
        assert word in lines[0]


def test_the_bundle_serves_and_measures_as_its_card_says(finished, radiographs, listener) -> None:
    _, bundle, _ = finished
    predictor = Predictor.load(bundle, "cpu", engine="torch")  # as the card was measured
    rows = select_rows(manifest.load(radiographs), "validation", predictor.card)
    found = evaluate(predictor, rows, listener).metrics()
    card = predictor.card.raw["validation"]
    assert found["n"] == card["n"] == predictor.card.raw["data"]["validation"]["films"]
    assert found["auc"]["value"] == pytest.approx(card["auroc"]["value"], abs=1e-4)
    assert found["accuracy"]["value"] == pytest.approx(card["accuracy"]["value"], abs=1e-4)
    assert found["brier"]["value"] == pytest.approx(card["brier"]["value"], abs=1e-3)


def test_another_seed_gives_other_weights(finished, recipe, radiographs, tmp_path) -> None:
    """That the same gives the same, the runs that are broken off say."""
    run.start(recipe, options(radiographs, tmp_path / "own", seed=1), tmp_path / "runs", Listener())
    assert sha(tmp_path / "own") != sha(finished[1])


@pytest.mark.parametrize("stop_at", ["reading training films", "epoch 1/3", "epoch 3/3"])
def test_a_run_broken_off_anywhere_ends_the_same(
    finished, recipe, radiographs, tmp_path, stop_at
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "own"
    with pytest.raises(KeyboardInterrupt):
        run.start(recipe, options(radiographs, out), runs, Listener(stop_at))
    assert not out.exists()
    (folder,) = (p for p in runs.iterdir() if p.name != "cache")
    run.resume(folder, {}, Listener())
    assert sha(out) == sha(finished[1])
    ours, theirs = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(path.open())]
        for path in (folder / "history.csv", finished[0] / "history.csv")
    )
    assert ours == theirs


def test_resuming_a_finished_run_writes_the_same_bundle_again(finished, tmp_path) -> None:
    folder, bundle, _ = finished
    run.resume(folder, {"out": str(tmp_path / "again")}, Listener())
    assert sha(tmp_path / "again") == sha(bundle)


def test_resuming_on_other_radiographs_is_refused(finished, radiographs, tmp_path) -> None:
    import shutil

    other = Path(shutil.copytree(radiographs, tmp_path / "films"))
    next((other / "train" / "NORMAL").iterdir()).unlink()
    with pytest.raises(RunError, match=r"The films at .* are not those this run was started with"):
        run.resume(finished[0], {"data": str(other)}, Listener())


def test_a_folder_that_is_no_run(tmp_path) -> None:
    with pytest.raises(RunError, match="is not the folder of a training run"):
        run.resume(tmp_path, {}, Listener())


def test_a_run_of_an_earlier_version_is_refused(finished, tmp_path) -> None:
    config = json.loads((finished[0] / "config.json").read_text())
    del config["inputs"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"made by an earlier version.*Start a new run"):
        run.resume(tmp_path, {}, Listener())


def test_a_damaged_checkpoint_is_refused(tmp_path) -> None:
    (tmp_path / "last.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match="cannot be read"):
        checkpoint.read(tmp_path / "last.pt")


def initial_file(tmp_path: Path, without: str = "none") -> str:
    torch.manual_seed(11)
    state = build(NetworkSpec("resnet18")).body.state_dict()
    path = tmp_path / "init.safetensors"
    write_weights(path, {k: v for k, v in state.items() if not k.startswith(without)})
    return str(path)


@pytest.mark.parametrize(
    ("without", "shape"),
    [
        ("none", (2, 512)),
        ("layer4", (2, 256, 4, 4)),
    ],
)
def test_a_frozen_body_stays_and_its_features_are_computed_once(
    recipe, radiographs, tmp_path, without, shape
) -> None:
    own = replace(
        recipe,
        training=replace(recipe.training, trainable="head", views=2, epochs=4),
    )
    init = initial_file(tmp_path, without)
    chosen = replace(options(radiographs, tmp_path / "own"), init_weights=init)
    with pytest.raises(KeyboardInterrupt):
        run.start(own, chosen, tmp_path / "runs", Listener("epoch 2/4"))
    (folder,) = (p for p in (tmp_path / "runs").iterdir() if p.name != "cache")
    # Vectors are kept for other runs too, maps are not.
    kept = folder if without == "layer4" else tmp_path / "runs" / "cache"
    (features,) = kept.glob("features-training-*.npy")
    stored = np.load(features, mmap_mode="r")
    before_s = features.stat().st_mtime_ns

    class Watching(Listener):
        def line(self, text: str) -> None:
            super().line(text)
            if text.startswith("epoch 4/4"):
                assert features.stat().st_mtime_ns == before_s

    run.resume(folder, {}, Watching())
    loaded = read_bundle(tmp_path / "own")
    card, network = loaded.card, load_classifier(loaded)
    n = card.raw["data"]["train"]["films"]
    assert stored.shape == (shape[0], n, *shape[1:])
    assert features.exists() == (without == "none")
    before = weights.read(Path(init))
    after = network.body.state_dict()
    for name in ("layer3.1.conv2.weight", "bn1.running_mean"):
        assert torch.equal(after[name], before[name].half().float())
    fresh = ["layer4", "head"] if without == "layer4" else ["head"]
    assert card.raw["initial_weights"]["new_layers"] == fresh
    assert "layer3" in card.raw["initial_weights"]["frozen"]


def test_no_room_for_features_is_said_before_it_is_taken(
    recipe, radiographs, tmp_path, monkeypatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 100))
    own = replace(recipe, training=replace(recipe.training, trainable="head"))
    chosen = replace(options(radiographs, tmp_path / "own"), init_weights=initial_file(tmp_path))
    with pytest.raises(RunError, match=r"need 0\.0 GB.*lower the recipe's views"):
        run.start(own, chosen, tmp_path / "runs", Listener())


def test_resuming_with_other_initial_weights_is_refused(finished, tmp_path) -> None:
    with pytest.raises(RunError, match=r"The initial weights at .* are not those this run"):
        run.resume(finished[0], {"init_weights": initial_file(tmp_path)}, Listener())


def test_scratch_and_torchvisions_weights_are_not_taken_for_one_another(finished, tmp_path) -> None:
    config = json.loads((finished[0] / "config.json").read_text())
    assert config["inputs"]["initial weights"] == "none"
    config["inputs"]["initial weights"] = "torchvision ResNet18_Weights.IMAGENET1K_V1"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"The initial weights at none are not those this run"):
        run.resume(tmp_path, {}, Listener())


def test_divergence_is_a_sentence(recipe, radiographs, tmp_path) -> None:
    wild = replace(
        recipe,
        optimiser=replace(recipe.optimiser, name="rmsprop", head_rate=1e38, new_layer_rate=1e38),
    )
    with pytest.raises(RunError, match="no longer a number in epoch"):
        run.start(wild, options(radiographs, tmp_path / "own"), tmp_path / "runs", Listener())


def test_workers_change_nothing_even_across_a_break(
    finished, recipe, radiographs, tmp_path
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "own"
    with pytest.raises(KeyboardInterrupt):
        run.start(recipe, options(radiographs, out, workers=1), runs, Listener("epoch 2/3"))
    (folder,) = (p for p in runs.iterdir() if p.name != "cache")
    run.resume(folder, {}, Listener())
    assert sha(out) == sha(finished[1])


def test_early_stopping(recipe, radiographs, tmp_path) -> None:
    """With a rate of nothing, no epoch improves on the first: it stops after the patience."""
    still = replace(
        recipe,
        optimiser=replace(recipe.optimiser, learning_rate=0.0, new_layer_rate=0.0, head_rate=0.0),
        training=replace(
            recipe.training, epochs=20, patience=2, monitor="loss", trainable="head",
        ),
    )  # fmt: skip
    listener = Listener()
    chosen = replace(options(radiographs, tmp_path / "own"), init_weights=initial_file(tmp_path))
    with contextlib.suppress(RunError):  # a random head may rank the films the wrong way round
        run.start(still, chosen, tmp_path / "runs", listener)
    lines = [line for line in listener.lines if line.startswith("epoch ")]
    assert len(lines) == 3


def test_a_broken_radiograph_is_named_before_training_starts(recipe, radiographs, tmp_path) -> None:
    import shutil

    other = Path(shutil.copytree(radiographs, tmp_path / "films"))
    (other / "train" / "NORMAL" / "IM-0777-0001.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(DataError, match=r"IM-0777-0001\.png.*--on-bad-image skip"):
        run.start(recipe, options(other, tmp_path / "own"), tmp_path / "runs", Listener())


def test_initial_weights_that_are_not_there(recipe, radiographs, tmp_path) -> None:
    chosen = replace(options(radiographs, tmp_path / "own"), init_weights=str(tmp_path / "absent"))
    with pytest.raises(ModelError, match="cannot be read"):
        run.start(recipe, chosen, tmp_path / "runs", Listener())
