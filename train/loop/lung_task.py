"""The lung network as a task of the loop: its batches, its loss, its figures on validation."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumonia.analysis.engines.pytorch import as_run
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.networks.lung_unet import LungOutputs, LungUNet
from train import ddp
from train.data.lung_dataset import LungDataset, MaskedRadiographs
from train.data.sampling import EpochSampler, loader
from train.loop.device import Device
from train.loop.optim import Part
from train.recipes.recipe import LungRecipe

LungBatch = list[Tensor]


class LungTask:
    """A lung network that learns the lungs' outline and how the radiograph lies."""

    def __init__(
        self,
        network: LungUNet,
        recipe: LungRecipe,
        train: MaskedRadiographs,
        validation: MaskedRadiographs,
        device: Device,
        *,
        seed: int,
        workers: int,
    ) -> None:
        self.model = network
        self._recipe, self._device, self._validation = recipe, device, validation
        dataset = LungDataset(train, recipe, seed)
        self.order = EpochSampler(len(dataset), seed)
        # Whole batches only; of fewer radiographs than one batch holds, all of them in one.
        size = min(recipe.training.batch_size, len(dataset)) // ddp.world_size()
        self.batches = loader(dataset, self.order, size, workers, shared=True, drop_last=True)

    def part_of(self, parameter: str) -> Part:
        return "body" if parameter.startswith("stages.") else "head"

    def freeze(self, epoch: int) -> None:
        """Every layer learns in every epoch."""

    def loss(self, model: nn.Module, batch: LungBatch) -> tuple[Tensor, dict[str, float]]:
        x, *targets = batch
        share, turned, inverted = (target.to(self._device.name) for target in targets)
        with self._device.autocast():
            outputs = model(self._device.images(x))
        return lung_loss(outputs, share, turned, inverted, self._recipe.pose.weight), {}

    def validate(self) -> dict[str, float]:
        """Dice and how often the pose is told, on upright films and their negatives."""
        found = evaluate_lungs(self.model, self._validation, self._recipe.size, 1)
        return {name: found[name] for name in ("dice", "turned", "inverted")}

    def score(self, validation: dict[str, float]) -> float:
        return validation["dice"]


def lung_loss(
    outputs: LungOutputs, share: Tensor, turned: Tensor, inverted: Tensor, weight: float
) -> Tensor:
    """Cross-entropy and soft Dice of the outline, and ``weight`` times that of the pose.

    Parameters
    ----------
    share
        (N, h, w) in [0, 1]: how much of each cell is lung.
    turned, inverted
        (N,) quarter turns in 0 to 3, and 1.0 for a negative.
    """
    logits = outputs.lungs.float()
    outline = F.binary_cross_entropy_with_logits(logits, share)
    p = torch.sigmoid(logits)
    overlap, total = (p * share).sum((1, 2)), (p + share).sum((1, 2))
    dice = (1 - (2 * overlap + 1) / (total + 1)).mean()
    pose = F.cross_entropy(outputs.turned.float(), turned) + F.binary_cross_entropy_with_logits(
        outputs.inverted.float(), inverted
    )
    return outline + dice + weight * pose


def evaluate_lungs(
    network: LungUNet, part: MaskedRadiographs, size: int, turns: int
) -> dict[str, float]:
    """Mean Dice over films, and how often the pose is told over ``turns`` quarter turns of each.

    Parameters
    ----------
    size
        Side of the network's input, pixels.
    """
    segmenter = LungSegmenter(
        as_run(network, next(network.parameters()).device.type), {"size": size}
    )
    poses = [(k, negative) for k in range(turns) for negative in (False, True)]
    dice, turned, inverted = [], [], []
    for square, mask in zip(part.squares, part.masks, strict=True):
        posed = [np.ascontiguousarray(np.rot90(1 - square if n else square, k)) for k, n in poses]
        for (k, negative), found in zip(poses, segmenter.segment(posed), strict=True):
            turned.append(found.turned.argmax() == k)
            inverted.append((found.inverted > 0.5) == negative)
            if (k, negative) == (0, False):
                overlap, total = (
                    (found.lungs.mask & mask).sum(),
                    found.lungs.mask.sum() + mask.sum(),
                )
                dice.append(2 * overlap / max(total, 1))
    return {
        "n": len(dice),
        "dice": round(float(np.mean(dice)), 4),
        "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
        "turned": round(float(np.mean(turned)), 4),
        "inverted": round(float(np.mean(inverted)), 4),
    }
