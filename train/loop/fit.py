"""The training loop: epochs of gradient steps, validation after each, the best kept, resumable.

One loop for every network. What is learnt is a :class:`Task`: the model, its batches, its loss and
its figures on validation.
"""

import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pneumonia.errors import RunError
from train import ddp
from train.data.sampling import EpochSampler
from train.loop import checkpoint
from train.loop.checkpoint import BEST, LAST, Epoch, Progress
from train.loop.optim import Part, make_optimiser, make_schedule
from train.loop.runlog import HistoryLog
from train.recipes.recipe import LungRecipe, Recipe
from train.reporter import Reporter


class Task(Protocol):
    """What is learnt.

    Attributes
    ----------
    model
        On its device; its state is what checkpoints hold.
    order, batches
        The training samples' order, and the loader that follows it.
    """

    order: EpochSampler
    batches: DataLoader[Any]

    @property
    def model(self) -> nn.Module: ...

    def part_of(self, parameter: str) -> Part:
        """Which learning rate a parameter of the model has."""

    def freeze(self, epoch: int) -> None:
        """Freeze what does not learn in this epoch; called after ``model.train()``."""

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, and figures to average over the epoch.

        ``model`` is the task's, perhaps in DistributedDataParallel.
        """

    def validate(self) -> dict[str, float]:
        """Figures on the validation radiographs. Raises RunError where they are no numbers."""

    def score(self, validation: dict[str, float]) -> float:
        """What chooses the best epoch, as a number that rises as the network gets better."""


def fit(
    task: Task, recipe: Recipe | LungRecipe, seed: int, folder: Path, reporter: Reporter
) -> Progress:
    """Train from where ``folder`` stands to the last epoch or to early stopping.

    Every epoch leaves ``last.pt`` and a line of ``history.csv`` in the folder, the best one
    ``best.pt``. At the end the model has the best epoch's weights.

    Raises
    ------
    RunError
        When the loss is no longer a number, or a checkpoint cannot be read.
    """
    training = recipe.training
    optimiser = make_optimiser(task.model, task.part_of, recipe.optimiser)
    schedule = make_schedule(optimiser, recipe.schedule, training.epochs, len(task.batches))
    parts = {"model": task.model, "optimiser": optimiser, "schedule": schedule}
    progress = _restore(folder, parts)
    model: nn.Module | None = None
    learnt: list[bool] = []
    with HistoryLog(folder, progress, reporter) as log:
        while progress.epoch < training.epochs:
            if 0 < training.patience <= progress.stale_epochs:
                break
            label = f"epoch {progress.epoch + 1}/{training.epochs}"
            started = time.monotonic()
            torch.manual_seed(seed * 100_003 + progress.epoch)  # dropout
            task.order.epoch = progress.epoch
            task.model.train()
            task.freeze(progress.epoch)
            learning = [p.requires_grad for p in task.model.parameters()]
            if model is None or learning != learnt:
                model, learnt = ddp.parallel(task.model), learning
            means = _train_epoch(task, model, optimiser, schedule, label, reporter)
            found = ddp.broadcast(task.validate() if ddp.is_main() else {})
            rate = max(group["lr"] for group in optimiser.param_groups)
            seconds = round(time.monotonic() - started, 1)
            epoch = Epoch(progress.epoch + 1, means, found, rate, seconds)
            # Where nothing is monitored, a later epoch is a better one.
            score = epoch.epoch if training.monitor == "none" else task.score(found)
            _advance(progress, epoch, score, parts, folder)
            log.add(epoch)
            reporter.line(_describe(epoch, label, len(task.order)))
    with ddp.main_first():  # it writes the best checkpoint
        task.model.load_state_dict(checkpoint.read(folder / BEST)["model"])
    reporter.line(f"best epoch: {progress.best_epoch}")
    return progress


def _train_epoch(
    task: Task,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    label: str,
    reporter: Reporter,
) -> dict[str, float]:
    """Gradient steps over the epoch's samples. Returns means over them."""
    sums: dict[str, float] = defaultdict(float)
    seen = 0
    with reporter.bar(label, len(task.order)) as advance:
        for batch in task.batches:
            loss, figures = task.loss(model, batch)
            if not math.isfinite(loss.item()):
                raise diverged(task.order.epoch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            size = len(batch[0])
            seen += size
            for name, value in {"loss": loss.item(), **figures}.items():
                sums[name] += value * size
            advance(size * ddp.world_size())
    return ddp.mean({name: total / seen for name, total in sums.items()})


def _advance(
    progress: Progress, epoch: Epoch, score: float, parts: dict[str, Any], folder: Path
) -> None:
    """Count an epoch, and keep it."""
    progress.epoch = epoch.epoch
    progress.history.append(epoch)
    is_best = score > progress.best_score or epoch.epoch == 1
    if is_best:
        progress.best_score, progress.best_epoch = score, epoch.epoch
    if not ddp.is_main():
        return
    state = {name: part.state_dict() for name, part in parts.items()}
    if is_best:
        checkpoint.save(folder / BEST, {"model": state["model"], "epoch": epoch.epoch})
    checkpoint.save(folder / LAST, {"progress": progress.as_dict()} | state)


def _restore(folder: Path, parts: dict[str, Any]) -> Progress:
    if not (folder / LAST).is_file():
        return Progress()
    content = checkpoint.read(folder / LAST)
    for name, part in parts.items():
        part.load_state_dict(content[name])
    return Progress.from_dict(content["progress"])


def _describe(epoch: Epoch, label: str, samples: int) -> str:
    names = {"auroc": "AUROC", "dice": "Dice"}
    figures = "  ".join(
        f"{names.get(name, name)} {value:.4f}" for name, value in epoch.validation.items()
    )
    pace = f"{samples / max(epoch.seconds, 0.1):.1f} films/s, {epoch.seconds:.0f} s"
    return f"{label}  loss {epoch.train['loss']:.4f}  validation: {figures}  ({pace})"


def diverged(epoch: int) -> RunError:
    """The error for a loss or outputs that are no numbers, in an epoch counted from 0."""
    return RunError(
        f"The loss is no longer a number in epoch {epoch + 1}: training diverged. Lower the "
        "recipe's learning rates, or use precision float32."
    )
