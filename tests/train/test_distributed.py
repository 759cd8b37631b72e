"""Two processes that train together: the result of one, and how they end when one of them dies."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from pneumonia.config import ROOT
from pneumonia.networks.classifier import build
from pneumonia.networks.spec import NetworkSpec
from tests.train.conftest import Listener
from tests.train.small import write_recipe
from train import ddp
from train.data.sampling import EpochSampler, RankSampler
from train.files import write_weights
from train.loop import checkpoint, run
from train.recipes import recipe

# A head on kept features looks at no other sample of its batch, so shares of a batch add up to it.
HEAD = {
    'by = "film"': 'by = "patient"',
    "head_rate = 1e-3": "head_rate = 3e-2",
    "epochs = 2": 'epochs = 40\ntrainable = "head"\nmonitor = "accuracy"\npatience = 4',
    "batch_size = 25": "batch_size = 6",
}
# Batch statistics are each process's own on the CPU. 13 samples in batches of 4: one comes twice.
WHOLE = {
    'until = "layer1"': 'until = "layer1"\noutputs = 2\ndropout = 0.3',
    'name = "focal"': 'name = "cross_entropy"\nclass_weights = "balanced"',
    'by = "film"': 'by = "patient"',
    "epochs = 2": 'epochs = 3\nmonitor = "auroc"\nsamples_per_epoch = 13',
    "batch_size = 25": "batch_size = 4",
}


class Trained(NamedTuple):
    folder: Path
    out: Path
    said: str

    @property
    def history(self) -> list[dict[str, str]]:
        with (self.folder / "history.csv").open() as file:
            return list(csv.DictReader(file))

    @property
    def state(self) -> dict[str, torch.Tensor]:
        return checkpoint.read(self.folder / "last.pt")["model"]


def torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc-per-node", "2", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def in_two(toml: Path, radiographs: Path, base: Path, init: object, *program: str) -> list[object]:
    return [
        *program, "--data", radiographs, "--recipe", toml, "--out", base / "two",
        "--runs", base / "runs",
        "--init-weights", init, "--lungs", "none", "--device", "cpu",
    ]  # fmt: skip


def run_folder(runs: Path) -> Path:
    (folder,) = (path for path in runs.iterdir() if path.name != "cache")
    return folder


def best_epoch(trained: Trained) -> int:
    return int(checkpoint.read(trained.folder / "best.pt")["epoch"])


def train_both(toml: Path, radiographs: Path, base: Path, init: str) -> tuple[Trained, Trained]:
    listener = Listener()
    options = run.Options(str(radiographs), str(base / "one"), init, device="cpu")
    run.start(recipe.load(str(toml)), options, base / "alone", listener)
    done = torchrun(*in_two(toml, radiographs, base, init, "-m", "train"))
    assert done.returncode == 0, done.stderr
    return (
        Trained(run_folder(base / "alone"), base / "one", "\n".join(listener.lines)),
        Trained(run_folder(base / "runs"), base / "two", done.stdout),
    )


@pytest.fixture(scope="module")
def whole(radiographs, tmp_path_factory) -> tuple[Trained, Trained]:
    base = tmp_path_factory.mktemp("whole")
    return train_both(write_recipe(base, **WHOLE), radiographs, base, "none")


@pytest.fixture(scope="module")
def head(radiographs, tmp_path_factory) -> tuple[Trained, Trained]:
    base = tmp_path_factory.mktemp("head")
    torch.manual_seed(11)
    body = build(NetworkSpec("resnet18", until="layer1")).body.state_dict()
    write_weights(base / "init.safetensors", body)
    return train_both(write_recipe(base, **HEAD), radiographs, base, str(base / "init.safetensors"))


def assert_alike(one: Trained, two: Trained, tolerance: float) -> None:
    assert len(one.history) == len(two.history)
    for ours, theirs in zip(one.history, two.history, strict=True):
        assert ours["epoch"] == theirs["epoch"]
        for name in ("train_loss", "train_accuracy", "val_loss", "val_auroc", "learning_rate"):
            assert float(theirs[name]) == pytest.approx(float(ours[name]), abs=tolerance), name
    assert one.state.keys() == two.state.keys()
    for name, ours in one.state.items():
        torch.testing.assert_close(
            two.state[name], ours, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_a_head_on_frozen_features_learns_the_same_and_stops_at_the_same_epoch(head) -> None:
    one, two = head
    assert len(one.history) < 40
    assert_alike(one, two, tolerance=1e-4)
    assert best_epoch(one) == best_epoch(two) == len(one.history) - 4


def test_a_whole_network_learns_in_two_processes(whole) -> None:
    one, two = whole
    assert len(one.history) == len(two.history) == 3
    fresh = build(NetworkSpec("resnet18", until="layer1")).body.state_dict()
    name = "layers.body.layer1.0.conv1.weight"
    for trained in (one, two):
        assert not torch.allclose(trained.state[name], fresh["layer1.0.conv1.weight"], atol=0.01)
    # The same first step from the same weights, but for batch statistics: about the same loss.
    ours, theirs = (float(trained.history[0]["train_loss"]) for trained in (one, two))
    assert theirs == pytest.approx(ours, rel=0.5)


def test_one_process_speaks_and_writes(whole) -> None:
    _, two = whole
    assert two.said.count("epoch 1/3") == 1
    assert two.said.count("wrote bundle") == 1
    assert "2 processes share each batch." in two.said
    assert f"torchrun --standalone --nproc-per-node 2 -m train --resume {two.folder}" in two.said
    assert len(list(two.folder.glob("events.out.tfevents*"))) == 1


def test_one_dead_process_ends_the_run_which_goes_on_to_the_same_result(
    whole, radiographs, tmp_path
) -> None:
    toml = write_recipe(tmp_path, **WHOLE)
    died = torchrun(*in_two(toml, radiographs, tmp_path, "none", "-m", "tests.train.dying"))
    assert died.returncode != 0
    folder = run_folder(tmp_path / "runs")
    assert "Process 1 of 2 gives up: " in died.stderr
    assert "Every finished epoch is kept. Go on with: torchrun" in died.stderr
    assert f"-m train --resume {folder}" in died.stderr
    assert not (tmp_path / "two").exists()
    assert checkpoint.read(folder / "last.pt")["progress"]["epoch"] == 1

    resumed = torchrun("-m", "train", "--resume", folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 1/3" not in resumed.stdout
    assert_alike(whole[1], Trained(folder, tmp_path / "two", resumed.stdout), tolerance=1e-6)


def test_a_batch_of_fewer_radiographs_than_processes_is_refused(radiographs, tmp_path) -> None:
    toml = write_recipe(tmp_path, **WHOLE | {"batch_size = 25": "batch_size = 1"})
    refused = torchrun(*in_two(toml, radiographs, tmp_path, "none", "-m", "train"))
    assert refused.returncode != 0
    assert "A batch of 1 films cannot be shared among 2 processes." in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_process_takes_the_whole_order_alone() -> None:
    order = EpochSampler(13, seed=3)
    assert list(RankSampler(order)) == list(order)
    assert len(RankSampler(order)) == 13


def test_alone_nothing_is_changed() -> None:
    layer = torch.nn.ReLU()
    assert ddp.broadcast("a") == "a"
    assert ddp.mean({"loss": 0.5}) == {"loss": 0.5}
    assert ddp.is_main()
    assert ddp.parallel(layer) is layer
