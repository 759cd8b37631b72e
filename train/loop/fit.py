"""The loop: epochs of gradient steps, validation after each, the best kept, resumable."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumonia.errors import RunError
from pneumonia.networks.outputs import pneumonia_logit
from train import metrics
from train.data.dataset import Batches, Sample, shares_of
from train.distributed import ALONE, Ranks
from train.loop import checkpoint
from train.loop.checkpoint import Epoch, Progress
from train.loop.losses import covered_loss, make_loss, share_outside
from train.loop.optimise import Rates, make_average, make_optimiser
from train.loop.tail import Tail
from train.recipes.recipe import Recipe
from train.reporter import Reporter


@dataclass(frozen=True, slots=True)
class Device:
    """Where to compute and at which precision."""

    name: str
    precision: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.name, torch.bfloat16, enabled=self.precision == "bfloat16")


class Fit:
    """One training run in memory: the parts, and the few methods that move them on.

    Parameters
    ----------
    fresh
        Names of the body's layers that start without pretrained weights.
    resting
        Names of the body's layers that do not learn in an epoch, counted from 0.
    """

    def __init__(
        self,
        tail: Tail,
        fresh: tuple[str, ...],
        resting: Callable[[int], Sequence[str]],
        recipe: Recipe,
        train: Batches,
        validation: Batches,
        *,
        device: Device,
        seed: int,
        folder: Path,
        reporter: Reporter,
        ranks: Ranks = ALONE,
    ) -> None:
        self.tail, self.resting, self.recipe, self.device = tail, resting, recipe, device
        self.train, self.validation = train, validation
        self.seed, self.folder, self.reporter, self.ranks = seed, folder, reporter, ranks
        self.call: Callable[[str, Tensor], Any]  # a method of the tail, from all ranks at once
        self.optimiser = make_optimiser(tail, fresh, recipe.optimiser)
        self.rates = Rates(self.optimiser, recipe.schedule, recipe.training.epochs, len(train))
        self.average = make_average(tail, recipe.training.average_decay)
        targets, classes = train.dataset.targets, len(recipe.classes)  # type: ignore[attr-defined]
        smoothing = recipe.training.label_smoothing
        self.loss = make_loss(recipe.loss, targets, classes, smoothing)
        self.plain_loss = make_loss(recipe.loss, targets, classes)
        self.progress = Progress()

    # --- where it stands ------------------------------------------------------------------------

    def save(self) -> None:
        if not self.ranks.leads:
            return
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
        parts = {"tail": self.tail, "optimiser": self.optimiser, "rates": self.rates}
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
            self.rates.after_epoch(self._score(epoch))
            self.save()
            after_epoch(self.progress)

    def _stops_early(self) -> bool:
        patience = self.recipe.training.patience
        return 0 < patience <= self.progress.stale_epochs

    def _train_epoch(self) -> tuple[float, float]:
        """Gradient steps over every film once. Returns the mean loss and accuracy on the way."""
        number = self.progress.epoch
        torch.manual_seed(self.seed * 100_003 + number)  # dropout; films draw from (seed, epoch, i)
        order = shares_of(self.train).sampler
        order.epoch = number
        self.tail.train()
        self.tail.freeze(self.resting(number))
        self.call = self.ranks.spread(self.tail)
        losses = right = seen = told_of = 0.0
        total = self.recipe.training.epochs
        with self.reporter.bar(f"epoch {number + 1}/{total}", len(order)) as advance:
            for batch in self.ranks.shares(self.train):
                batch = Sample(*(part.to(self.device.name) for part in batch))
                loss, outputs = self._step(batch)
                losses += loss * len(outputs)
                told = choose(outputs) == batch.target
                right += told[~batch.covered].sum().item()
                seen += len(outputs)
                told_of += int((~batch.covered).sum())
                advance(len(outputs))
        return losses / seen, right / max(told_of, 1)

    def _step(self, batch: Sample) -> tuple[float, Tensor]:
        loss, outputs = self._loss(batch)
        if not math.isfinite(loss.item()):
            raise self._diverged()
        self.optimiser.zero_grad(set_to_none=True)
        self.ranks.backward(loss)
        self.optimiser.step()
        self.rates.after_step()
        self.progress.step += 1
        if self.average is not None:
            self.average.update_parameters(self.tail)
        return loss.item(), outputs.detach()

    def _loss(self, batch: Sample) -> tuple[Tensor, Tensor]:
        """The label's loss, and what is taught beside it; and the (N, K) outputs."""
        supervision, seen = self.recipe.supervision, ~batch.covered
        outputs, maps, aside = self._forward(_channels_last(batch.x))
        loss = self.loss(outputs[seen], batch.target[seen]) if seen.any() else outputs.sum() * 0
        for each in aside:
            loss = loss + self.recipe.training.auxiliary * self.loss(each.float(), batch.target)
        if supervision.covered:
            part = batch.covered.float().mean()
            covered = covered_loss(pneumonia_logit(outputs[batch.covered]))
            loss = loss + supervision.covered * part * covered
        if maps is not None:
            known = seen & (batch.inside.sum(dim=(1, 2)) > 0)
            inside = F.adaptive_avg_pool2d(batch.inside[known], (maps.shape[1], maps.shape[2]))
            outside = share_outside(maps[known].float(), inside)
            loss = loss + supervision.outside * outside
        return loss, outputs

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """(N, K) float32 outputs, and maps and outputs on the side where they are taught."""
        maps: Tensor | None = None
        aside: list[Tensor] = []
        with self.device.autocast():
            if self.recipe.supervision.outside:
                outputs, maps = self.call("forward_with_map", x)
            elif self.recipe.training.auxiliary:
                outputs, aside = self.call("forward_with_auxiliary", x)
            else:
                outputs = self.call("forward", x)
        whole = self.ranks.whole
        maps = None if maps is None else whole(maps)
        return whole(outputs.float()), maps, [whole(each) for each in aside]

    def _validate(self, loss: float, accuracy: float) -> tuple[dict[str, Tensor], Epoch]:
        """Measure the weights, and their average if there is one; return the better of the two."""
        modules: dict[str, nn.Module] = {"last": self.tail}
        if self.average is not None:
            modules["average"] = self.average.module
        found = []
        for which, module in modules.items():
            bar, label = self.reporter.bar, f"validation ({which})"
            outputs, targets = predict(module, self.validation, self.device, bar, label, self.ranks)
            found.append(self._measure(outputs, targets, which, loss, accuracy))
        epoch = self.ranks.agree(max(found, key=self._score))
        return modules[epoch.weights].state_dict(), epoch

    def _measure(
        self, outputs: Tensor, targets: Tensor, which: str, loss: float, accuracy: float
    ) -> Epoch:
        if not outputs.isfinite().all():
            raise self._diverged()
        labels = targets.numpy() > 0
        probabilities = torch.sigmoid(pneumonia_logit(outputs)).numpy()
        counts = metrics.confusion(labels, probabilities, 0.5)
        return Epoch(
            epoch=self.progress.epoch + 1,
            train_loss=loss,
            train_accuracy=accuracy,
            val_loss=self.plain_loss(outputs, targets).item(),
            val_accuracy=(choose(outputs) == targets).float().mean().item(),
            val_auroc=metrics.auroc(labels, probabilities),
            val_sensitivity=counts.sensitivity,
            val_specificity=counts.specificity,
            weights=which,
            learning_rate=max(group["lr"] for group in self.optimiser.param_groups),
            seconds=0.0,
        )

    def _diverged(self) -> RunError:
        return RunError(
            f"The loss is no longer a number in epoch {self.progress.epoch + 1}: training "
            "diverged. Lower the recipe's learning rates, or use precision float32."
        )

    def _score(self, epoch: Epoch) -> float:
        """What is monitored, as a number that rises as the network gets better."""
        scores = {"loss": -epoch.val_loss, "accuracy": epoch.val_accuracy}
        score = scores.get(self.recipe.training.monitor, epoch.val_auroc)
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
            if self.ranks.leads:
                checkpoint.save(self.folder / "best.pt", {"tail": state, "epoch": epoch.epoch})
        else:
            progress.stale_epochs += 1
        radiographs = len(shares_of(self.train).sampler)
        self.reporter.line(
            f"epoch {epoch.epoch}/{self.recipe.training.epochs}  loss {epoch.train_loss:.4f}  "
            f"validation: loss {epoch.val_loss:.4f}  AUROC {epoch.val_auroc:.4f}  "
            f"sensitivity {epoch.val_sensitivity:.3f}  specificity {epoch.val_specificity:.3f}  "
            f"({epoch.weights} weights; {radiographs / seconds:.1f} films/s, {seconds:.0f} s)"
        )


def choose(outputs: Tensor) -> Tensor:
    """(N, K) outputs -> (N,) the likeliest class; for one output, whether it is positive."""
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


@torch.inference_mode()
def predict(
    module: nn.Module,
    batches: Batches,
    device: Device,
    bar: Callable[[str, int], AbstractContextManager[Callable[[int], None]]],
    label: str,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor]:
    """(n, K) float32 outputs and (n,) classes over all batches, in order, on the CPU."""
    module.eval()
    outputs, targets = [], []
    with bar(label, len(shares_of(batches).sampler)) as advance:
        for x, y, *_ in ranks.shares(batches):
            with device.autocast():
                own = module(_channels_last(x.to(device.name))).float().cpu()
            outputs.append(ranks.whole(own))
            targets.append(y)
            advance(len(y))
    return torch.cat(outputs), torch.cat(targets)
