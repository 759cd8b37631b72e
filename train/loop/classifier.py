"""The classifier as a task of the loop: its batches, its loss, its figures on validation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumonia.networks.classifier import Classifier
from pneumonia.networks.outputs import pneumonia_logit
from train import ddp, metrics
from train.data.dataset import RadiographDataset, Sample
from train.data.sampling import EpochSampler, loader
from train.loop.device import Device
from train.loop.features import FeatureDataset
from train.loop.fit import diverged
from train.loop.frozen import TrainableLayers, frozen_layers
from train.loop.losses import covered_loss, make_loss, share_outside
from train.loop.optim import Part
from train.recipes.recipe import Recipe

SampleSet = RadiographDataset | FeatureDataset
_VALIDATION_BATCH_SIZE = 32


class ClassifierTask:
    """A classifier that learns the label, and beside it where to look.

    Parameters
    ----------
    network
        On the device already.
    first
        Index of the first layer that is trained; see :class:`train.loop.frozen.TrainableLayers`.
    new_layers
        Names of the body's layers that start without pretrained weights.
    train, validation
        Radiographs; or features of them, where some layers are frozen throughout.
    seed
        Decides which samples each epoch draws.
    """

    def __init__(
        self,
        network: Classifier,
        first: int,
        new_layers: tuple[str, ...],
        recipe: Recipe,
        train: SampleSet,
        validation: SampleSet,
        device: Device,
        *,
        seed: int,
        workers: int,
    ) -> None:
        training, n_classes = recipe.training, len(recipe.classes)
        self._network, self._new_layers = network, new_layers
        self._recipe, self._device = recipe, device
        self.model = TrainableLayers(network, first, with_map=recipe.supervision.outside > 0)
        self._loss = make_loss(recipe.loss, train.targets, n_classes, training.label_smoothing)
        self._validation_loss = make_loss(recipe.loss, train.targets, n_classes)
        self.order = EpochSampler(
            len(train), seed, train.strata, training.sampling, training.samples_per_epoch
        )
        size = training.batch_size // ddp.world_size()
        self.batches = loader(train, self.order, size, workers, shared=True)
        in_order = EpochSampler(len(validation))
        self._validation = loader(validation, in_order, _VALIDATION_BATCH_SIZE, workers)

    def part_of(self, parameter: str) -> Part:
        return self.model.part_of(parameter, self._new_layers)

    def frozen_layers(self, epoch: int) -> list[str]:
        """Names of the layers that do not learn in an epoch, counted from 0."""
        return frozen_layers(self._network, self._recipe.training, self._new_layers, epoch)

    def freeze(self, epoch: int) -> None:
        self.model.freeze(self.frozen_layers(epoch))

    def loss(self, model: nn.Module, batch: Sample) -> tuple[Tensor, dict[str, float]]:
        """The label's loss and what is taught beside it, and the accuracy where lungs are seen."""
        supervision = self._recipe.supervision
        target, inside, covered = (part.to(self._device.name) for part in batch[1:])
        seen = ~covered
        with self._device.autocast():
            outputs, maps = model(self._device.images(batch.x))
        outputs = outputs.float()
        loss = self._loss(outputs[seen], target[seen]) if seen.any() else outputs.sum() * 0
        if supervision.covered:
            share = covered.float().mean()
            loss = loss + supervision.covered * share * covered_loss(
                pneumonia_logit(outputs[covered])
            )
        if maps is not None:
            known = seen & (inside.sum(dim=(1, 2)) > 0)
            cells = F.adaptive_avg_pool2d(inside[known], (maps.shape[1], maps.shape[2]))
            loss = loss + supervision.outside * share_outside(maps[known].float(), cells)
        right = (choose(outputs.detach()) == target)[seen].float()
        return loss, {"accuracy": right.mean().item() if len(right) else 0.0}

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Loss without smoothing, accuracy over all classes, and rates of pneumonia at 0.5."""
        self.model.eval()
        found, classes = [], []
        for x, target, *_ in self._validation:
            with self._device.autocast():
                found.append(self.model(self._device.images(x))[0].float().cpu())
            classes.append(target)
        outputs, targets = torch.cat(found), torch.cat(classes)
        if not outputs.isfinite().all():
            raise diverged(self.order.epoch)
        labels = targets.numpy() > 0
        probabilities = torch.sigmoid(pneumonia_logit(outputs)).numpy()
        counts = metrics.confusion(labels, probabilities, 0.5)
        return {
            "loss": self._validation_loss(outputs, targets).item(),
            "accuracy": (choose(outputs) == targets).float().mean().item(),
            "auroc": metrics.auroc(labels, probabilities),
            "sensitivity": counts.sensitivity,
            "specificity": counts.specificity,
        }

    def score(self, validation: dict[str, float]) -> float:
        monitor = self._recipe.training.monitor
        score = -validation["loss"] if monitor == "loss" else validation[monitor]
        return float("-inf") if math.isnan(score) else score


def choose(outputs: Tensor) -> Tensor:
    """(N, K) outputs -> (N,) the likeliest class; for one output, whether it is positive."""
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)
