"""The loop: epochs of gradient steps, validation after each, the best kept, resumable."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pneumonia.errors import RunError
from train import checkpoint, metrics
from train.checkpoint import Epoch, Progress
from train.dataset import Batches, EpochSampler, Sample
from train.losses import covered_loss, focal_loss, share_outside
from train.optimise import make_average, make_optimiser, make_schedule
from train.recipe import Recipe
from train.reporter import Reporter
from train.tail import Tail


@dataclass(frozen=True, slots=True)
class Device:
    """Where to compute and at which precision."""

    name: str
    precision: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.name, torch.bfloat16, enabled=self.precision == "bfloat16")


class Fit:
    """One training run in memory: the parts, and the few methods that move them on."""

    def __init__(
        self,
        tail: Tail,
        fresh: tuple[str, ...],
        recipe: Recipe,
        train: Batches,
        validation: Batches,
        *,
        device: Device,
        seed: int,
        folder: Path,
        reporter: Reporter,
    ) -> None:
        self.tail, self.recipe, self.device = tail, recipe, device
        self.train, self.validation = train, validation
        self.seed, self.folder, self.reporter = seed, folder, reporter
        self.optimiser = make_optimiser(tail, fresh, recipe.optimiser)
        total = recipe.training.epochs * len(train)
        self.schedule = make_schedule(self.optimiser, recipe.schedule, total)
        self.average = make_average(tail, recipe.training.average_decay)
        self.loss = partial(focal_loss, alpha=recipe.loss.alpha, gamma=recipe.loss.gamma)
        self.progress = Progress()

    # --- where it stands ------------------------------------------------------------------------

    def save(self) -> None:
        content = {"progress": self.progress.as_dict()} | {
            name: part.state_dict() for name, part in self._parts().items()
        }
        checkpoint.save(self.folder / "last.pt", content)

    def restore(self) -> None:
        """Go on from ``last.pt``, if the run got that far."""
        path = self.folder / "last.pt"
        if path.is_file():
            content = checkpoint.read(path)
            self.progress = Progress.from_dict(content["progress"])
            for name, part in self._parts().items():
                part.load_state_dict(content[name])

    def _parts(self) -> dict[str, Any]:
        parts = {"tail": self.tail, "optimiser": self.optimiser, "schedule": self.schedule}
        return parts | ({"average": self.average} if self.average else {})

    def load_best(self) -> None:
        """Put the best epoch's weights into the tail."""
        self.tail.load_state_dict(checkpoint.read(self.folder / "best.pt")["tail"])

    # --- moving on ------------------------------------------------------------------------------

    def run(self, after_epoch: Callable[[Progress], None]) -> None:
        """Train to the last epoch or to early stopping; ``after_epoch`` hears of each."""
        training = self.recipe.training
        while self.progress.epoch < training.epochs and not self._stops_early():
            started = time.monotonic()
            loss, accuracy = self._train_epoch()
            state, epoch = self._validate(loss, accuracy)
            self.progress.epoch += 1
            self._note(epoch, state, time.monotonic() - started)
            self.save()
            after_epoch(self.progress)

    def _stops_early(self) -> bool:
        patience = self.recipe.training.patience
        return 0 < patience <= self.progress.stale_epochs

    def _train_epoch(self) -> tuple[float, float]:
        """Gradient steps over every film once. Returns the mean loss and accuracy on the way."""
        number = self.progress.epoch
        torch.manual_seed(self.seed * 100_003 + number)  # dropout; films draw from (seed, epoch, i)
        assert isinstance(self.train.sampler, EpochSampler)
        self.train.sampler.epoch = number
        self.tail.train()
        losses = right = seen = told_of = 0.0
        total = self.recipe.training.epochs
        with self.reporter.bar(f"epoch {number + 1}/{total}", len(self.train.sampler)) as advance:
            for batch in self.train:
                batch = Sample(*(part.to(self.device.name) for part in batch))
                loss, logits = self._step(batch)
                losses += loss * len(logits)
                told = (logits > 0) == (batch.target > 0.5)
                right += told[~batch.covered].sum().item()
                seen += len(logits)
                told_of += int((~batch.covered).sum())
                advance(len(logits))
        return losses / seen, right / max(told_of, 1)

    def _step(self, batch: Sample) -> tuple[float, Tensor]:
        loss, logits = self._loss(batch)
        if not math.isfinite(loss.item()):
            raise RunError(
                f"The loss is no longer a number in epoch {self.progress.epoch + 1}: training "
                "diverged. Lower the recipe's learning rates, or use precision float32."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.schedule.step()
        self.progress.step += 1
        if self.average is not None:
            self.average.update_parameters(self.tail)
        return loss.item(), logits.detach()

    def _loss(self, batch: Sample) -> tuple[Tensor, Tensor]:
        """The label's loss, and what the lungs teach beside it; and the logits."""
        supervision, smoothing = self.recipe.supervision, self.recipe.training.label_smoothing
        x, seen = _channels_last(batch.x), ~batch.covered
        maps = None
        with self.device.autocast():
            if supervision.outside:
                logits, maps = self.tail.forward_with_map(x)
            else:
                logits = self.tail(x)
        logits = logits.float()
        soft = batch.target * (1 - smoothing) + 0.5 * smoothing
        loss = self.loss(logits[seen], soft[seen]) if seen.any() else logits.sum() * 0
        if supervision.covered:
            part = batch.covered.float().mean()
            loss = loss + supervision.covered * part * covered_loss(logits[batch.covered])
        if maps is not None:
            known = seen & (batch.inside.sum(dim=(1, 2)) > 0)
            outside = share_outside(maps[known].float(), batch.inside[known])
            loss = loss + supervision.outside * outside
        return loss, logits

    def _validate(self, loss: float, accuracy: float) -> tuple[dict[str, Tensor], Epoch]:
        """Measure the weights, and their average if there is one; return the better of the two."""
        modules: dict[str, nn.Module] = {"last": self.tail}
        if self.average is not None:
            modules["average"] = self.average.module
        found = []
        for which, module in modules.items():
            logits, targets = predict(
                module, self.validation, self.device, self.reporter.bar, f"validation ({which})"
            )
            epoch = self._measure(logits, targets, which, loss, accuracy)
            found.append((self._score(epoch), which, module.state_dict(), epoch))
        _, _, state, epoch = max(found, key=lambda item: item[0])
        return state, epoch

    def _measure(
        self, logits: Tensor, targets: Tensor, which: str, loss: float, accuracy: float
    ) -> Epoch:
        labels = targets.numpy() > 0.5
        probabilities = torch.sigmoid(logits).numpy()
        counts = metrics.confusion(labels, probabilities, 0.5)
        return Epoch(
            epoch=self.progress.epoch + 1,
            train_loss=loss,
            train_accuracy=accuracy,
            val_loss=self.loss(logits, targets).item(),
            val_accuracy=counts.accuracy,
            val_auroc=metrics.auroc(labels, probabilities),
            val_sensitivity=counts.sensitivity,
            val_specificity=counts.specificity,
            weights=which,
            learning_rate=max(group["lr"] for group in self.optimiser.param_groups),
            seconds=0.0,
        )

    def _score(self, epoch: Epoch) -> float:
        monitor = self.recipe.training.monitor
        score = -epoch.val_loss if monitor == "loss" else epoch.val_auroc
        return float("-inf") if math.isnan(score) else score

    def _is_best(self, epoch: Epoch) -> bool:
        if self.recipe.training.monitor == "none":
            return True
        return self._score(epoch) > self.progress.best_score

    def _note(self, epoch: Epoch, state: dict[str, Tensor], seconds: float) -> None:
        progress = self.progress
        epoch = replace(epoch, seconds=round(seconds, 1))
        progress.history.append(epoch)
        if self._is_best(epoch):
            progress.best_score, progress.best_epoch = self._score(epoch), epoch.epoch
            progress.stale_epochs = 0
            checkpoint.save(self.folder / "best.pt", {"tail": state, "epoch": epoch.epoch})
        else:
            progress.stale_epochs += 1
        films = len(self.train.sampler)  # type: ignore[arg-type]
        self.reporter.line(
            f"epoch {epoch.epoch}/{self.recipe.training.epochs}  loss {epoch.train_loss:.4f}  "
            f"validation: loss {epoch.val_loss:.4f}  AUROC {epoch.val_auroc:.4f}  "
            f"sensitivity {epoch.val_sensitivity:.3f}  specificity {epoch.val_specificity:.3f}  "
            f"({epoch.weights} weights; {films / seconds:.1f} films/s, {seconds:.0f} s)"
        )


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


@torch.inference_mode()
def predict(
    module: nn.Module,
    batches: Batches,
    device: Device,
    bar: Callable[[str, int], AbstractContextManager[Callable[[int], None]]],
    label: str,
) -> tuple[Tensor, Tensor]:
    """(n,) float32 logits and targets over all batches, in order, on the CPU."""
    module.eval()
    logits, targets = [], []
    with bar(label, len(batches.sampler)) as advance:  # type: ignore[arg-type]
        for x, y, *_ in batches:
            with device.autocast():
                logits.append(module(_channels_last(x.to(device.name))).float().cpu())
            targets.append(y)
            advance(len(y))
    return torch.cat(logits), torch.cat(targets)
