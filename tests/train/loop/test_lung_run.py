"""Training the lung network on drawn films with drawn masks: a folder in, a lung network out."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision

from pneumonia.analysis.engines.pytorch import load_segmenter
from pneumonia.analysis.lung_card import digest
from pneumonia.errors import DataError, ModelError, RunError
from pneumonia.networks.lung_unet import LungOutputs
from tests.train.conftest import Listener
from train.data import lung_dataset, manifest
from train.data.declaration import SHIPPED
from train.data.lung_dataset import MaskedRadiographs
from train.data.squares import OnBadImage
from train.files import write_weights
from train.loop import lung_run, run
from train.loop.lung_task import lung_loss
from train.recipes import recipe
from train.recipes.recipe import LungRecipe
from train.recipes.sections import Split


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 dark lungs on a bright ground, each with its mask; two without."""
    root = tmp_path_factory.mktemp("masked")
    shutil.copy(SHIPPED / "kermany.toml", root / "data.toml")
    (root / "lung-masks").mkdir()
    lines = []
    for i in range(30):
        random = np.random.default_rng(i)
        mask = np.zeros((96, 96), np.uint8)
        top, left = random.integers(10, 30, 2)
        mask[top : top + 50, left : left + 20] = mask[top : top + 50, left + 28 : left + 48] = 255
        radiograph = np.where(mask > 0, 60, 190) + random.normal(0, 8, mask.shape)
        label = ("NORMAL", "PNEUMONIA")[i % 2]
        name = f"person{i}_virus_{i}.png" if i % 2 else f"IM-{i:04}-0001.png"
        folder = root / "train" / label
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.clip(radiograph, 0, 255).astype(np.uint8))
        cv2.imwrite(str(root / "lung-masks" / name), mask)
        drawn = f"lung-masks/{name}" if i > 1 else ""
        lines.append([f"train/{label}/{name}", label, drawn, ""])
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label", "lung_mask", "mask_note"], *lines])
    return root


@pytest.fixture(scope="module")
def tiny() -> LungRecipe:
    shipped = recipe.load("lungs")
    assert isinstance(shipped, LungRecipe)
    return replace(
        shipped,
        size=64,
        grid=96,
        split=replace(shipped.split, fraction=0.3, seed=1),
        training=replace(shipped.training, epochs=10, batch_size=4, precision="float32"),
        optimiser=replace(shipped.optimiser, learning_rate=3e-3),
    )


def options(data: Path, out: Path, **changes) -> run.Options:
    return run.Options(
        data=str(data), out=str(out), **({"init_weights": "none", "device": "cpu"} | changes)
    )


@pytest.fixture(scope="module")
def finished(masked, tiny, tmp_path_factory) -> tuple[Path, Path, Listener]:
    base = tmp_path_factory.mktemp("finished")
    listener = Listener()
    lung_run.start(tiny, options(masked, base / "out"), base / "runs", listener)
    (folder,) = (p for p in (base / "runs").iterdir() if p.name != "cache")
    return folder, base / "out", listener


def test_it_learns_where_the_lungs_are(finished, masked) -> None:
    _, out, listener = finished
    card = json.loads((out / "lungs.json").read_text())
    assert card["validation"]["dice"] > 0.3
    assert card["data"]["masks"] + card["data"]["validation_masks"] == 28
    segmenter = load_segmenter(out)
    assert segmenter.card["outlier_model"]["films"] == card["data"]["masks"]
    assert segmenter.expected.limits.far == 1.15
    path = masked / "train" / "PNEUMONIA" / "person9_virus_9.png"
    radiograph = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    found = segmenter.segment([radiograph])[0].lungs
    drawn = cv2.imread(str(masked / "lung-masks" / path.name), cv2.IMREAD_GRAYSCALE) > 0
    assert found.probability[drawn].mean() > found.probability[~drawn].mean() + 0.2
    assert [line for line in listener.lines if line.startswith("epoch 10/10")]


def test_broken_off_and_resumed_it_ends_the_same(finished, masked, tiny, tmp_path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(KeyboardInterrupt):
        lung_run.start(tiny, options(masked, tmp_path / "out"), runs, Listener("epoch 6/10"))
    assert not (tmp_path / "out").exists()
    (folder,) = (p for p in runs.iterdir() if p.name != "cache")
    lung_run.resume(folder, {}, Listener())
    for name in ("lungs.json", "lungs.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (finished[1] / name).read_bytes()
    assert digest(str(tmp_path / "out")) == digest(str(finished[1]))


def broken_off(recipe: LungRecipe, chosen: run.Options, runs: Path, stop_at: str) -> Path:
    with pytest.raises(KeyboardInterrupt):
        lung_run.start(recipe, chosen, runs, Listener(stop_at))
    (folder,) = (p for p in runs.iterdir() if p.name != "cache")
    return folder


def encoder_file(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    write_weights(path, dict(torchvision.models.mobilenet_v2().features.state_dict()))
    return path


def test_resuming_on_other_radiographs_or_masks_is_refused(finished, masked, tmp_path) -> None:
    other = Path(shutil.copytree(masked, tmp_path / "masked"))
    mask = next(iter(sorted((other / "lung-masks").glob("person9_*"))))
    cv2.imwrite(str(mask), np.full((96, 96), 255, np.uint8))
    with pytest.raises(RunError, match=r"The films or lung masks at .* are not those this run"):
        lung_run.resume(finished[0], {"data": str(other)}, Listener())


def test_initial_weights_are_compared_and_read_once(masked, tiny, tmp_path) -> None:
    first, other = (encoder_file(tmp_path / f"{i}.safetensors", i) for i in (1, 2))
    chosen = options(masked, tmp_path / "out", init_weights=str(first))
    short = replace(tiny, training=replace(tiny.training, epochs=2))
    early = broken_off(short, chosen, tmp_path / "early", "reading training films")
    assert (
        json.loads((early / "config.json").read_text())["inputs"].get("films or lung masks") is None
    )
    with pytest.raises(RunError, match=r"The initial weights at .*2\.safetensors are not those"):
        lung_run.resume(early, {"init_weights": str(other)}, Listener())
    late = broken_off(short, chosen, tmp_path / "late", "epoch 2/2")
    with pytest.raises(RunError, match=r"The initial weights at .*2\.safetensors are not those"):
        lung_run.resume(late, {"init_weights": str(other)}, Listener())
    first.unlink()
    with pytest.raises(ModelError, match=r"1\.safetensors do not fit"):
        lung_run.resume(early, {}, Listener())
    card = lung_run.resume(late, {}, Listener())
    assert card["initial_weights"] == "1.safetensors"


def test_a_run_of_an_earlier_version_is_refused(finished, tmp_path) -> None:
    folder = Path(shutil.copytree(finished[0], tmp_path / "runs" / "old"))
    config = json.loads((folder / "config.json").read_text())
    old = {name: config[name] for name in ("recipe", "options")}
    (folder / "config.json").write_text(json.dumps(old))
    with pytest.raises(RunError, match=r"made by an earlier version.*Start a new run"):
        lung_run.resume(folder, {}, Listener())


def test_fewer_radiographs_than_a_batch_are_one_batch(masked, tiny, tmp_path) -> None:
    few = replace(tiny, training=replace(tiny.training, epochs=1, batch_size=64))
    listener = Listener()
    card = lung_run.start(few, options(masked, tmp_path / "out"), tmp_path / "runs", listener)
    assert listener.bars["epoch 1/1"] == card["data"]["masks"] < 64


def test_workers_change_nothing(finished, masked, tiny, tmp_path) -> None:
    short = replace(tiny, training=replace(tiny.training, epochs=1))
    found = []
    for workers in (0, 1):
        out = tmp_path / str(workers)
        lung_run.start(short, options(masked, out, workers=workers), tmp_path / "runs", Listener())
        found.append(digest(str(out)))
    assert found[0] == found[1]


def test_a_patient_of_the_test_split_is_not_trained_on(masked, tmp_path) -> None:
    other = Path(shutil.copytree(masked, tmp_path / "masked"))
    (other / "test" / "PNEUMONIA").mkdir(parents=True)
    shutil.copy(
        other / "train" / "PNEUMONIA" / "person9_virus_9.png",
        other / "test" / "PNEUMONIA" / "person9_virus_99.png",
    )
    split = Split(0.3, 1)
    with pytest.raises(DataError, match=r"1 patients are in two splits, the first person9"):
        lung_dataset.select(other, split, "stop")
    kept, dropped = (sum(lung_dataset.select(other, split, how), ()) for how in ("keep", "drop"))
    assert {row.patient for row in kept} - {row.patient for row in dropped} == {"person9"}
    assert len(dropped) == 27


@pytest.mark.parametrize("broken", ["lung-masks", "train/PNEUMONIA"])
def test_what_cannot_be_read_is_named(masked, tmp_path, broken) -> None:
    other = Path(shutil.copytree(masked, tmp_path / "masked"))
    (other / broken / "person9_virus_9.png").write_bytes(b"no picture")
    rows = [row for row in manifest.load(other).rows if row.patient == "person9"]

    def load(on_bad_image: OnBadImage) -> MaskedRadiographs:
        cache = tmp_path / "cache"
        return lung_dataset.load(tuple(rows), 96, cache, on_bad_image, "validation", Listener())

    if broken == "lung-masks":
        with pytest.raises(DataError, match=r"^The lung mask person9_virus_9\.png of train/PNEU"):
            load("skip")
        return
    with pytest.raises(DataError, match=r"person9_virus_9\.png: .*--on-bad-image skip"):
        load("stop")
    with pytest.raises(DataError, match=r"^None of the 1 validation films with a lung mask can be"):
        load("skip")


def test_radiographs_without_masks_are_refused(radiographs, tiny, tmp_path) -> None:
    with pytest.raises(DataError, match=r"has a lung mask: manifest\.csv needs the column lung_m"):
        lung_run.start(tiny, options(radiographs, tmp_path / "out"), tmp_path / "runs", Listener())


def test_initial_weights_that_do_not_fit_are_refused(masked, tiny, tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="do not fit MobileNetV2"):
        lung_run.start(
            tiny,
            options(masked, tmp_path / "out", init_weights=str(path)),
            tmp_path / "runs",
            Listener(),
        )


def test_the_loss_falls_as_the_outline_fits() -> None:
    share = torch.zeros(2, 8, 8)
    share[:, 2:6, 2:6] = 1
    turned, inverted = torch.tensor([0, 2]), torch.tensor([0.0, 1.0])

    def look(strength: float, sure: float) -> LungOutputs:
        pose = torch.zeros(2, 4)
        pose[0, 0] = pose[1, 2] = sure
        nothing = torch.zeros(2, 1)
        return LungOutputs(
            (share - 0.5) * strength, pose, torch.tensor([-sure, sure]), nothing, nothing
        )

    def value(strength: float, sure: float) -> float:
        return lung_loss(look(strength, sure), share, turned, inverted, 0.2).item()

    assert value(-4, 0) > value(0, 0) > value(4, 0) > value(20, 0)
    assert value(20, 0) > value(20, 20)
    assert value(40, 40) == pytest.approx(0, abs=1e-3)
