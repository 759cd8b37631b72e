"""Losses on a network's outputs."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from train.recipes.sections import Loss

LabelLoss = Callable[[Tensor, Tensor], Tensor]
"""(N, K) outputs and (N,) int64 classes -> their mean loss."""


def make_loss(
    recipe: Loss, targets: NDArray[np.int64], classes: int, label_smoothing: float = 0.0
) -> LabelLoss:
    """The label's loss that a recipe asks for.

    Parameters
    ----------
    targets
        (n,) classes of the training films, for balanced weights.
    classes
        How many there are.
    label_smoothing
        The share of every label that is spread evenly over all classes.
    """
    weights = None
    if recipe.class_weights == "balanced":
        weights = balanced_weights(targets, classes)
    if recipe.name == "cross_entropy":
        return partial(_cross_entropy, weights=weights, smoothing=label_smoothing)
    if recipe.name == "binary_cross_entropy":
        return partial(binary_cross_entropy, weights=weights, smoothing=label_smoothing)
    return partial(_focal, alpha=recipe.alpha, gamma=recipe.gamma, smoothing=label_smoothing)


def balanced_weights(targets: NDArray[np.int64], classes: int) -> Tensor:
    """(classes,) float32: n / (classes * films of the class), so that the films' mean is one."""
    counts = np.bincount(targets, minlength=classes)
    return torch.tensor(len(targets) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def _cross_entropy(
    outputs: Tensor, targets: Tensor, *, weights: Tensor | None, smoothing: float
) -> Tensor:
    """Softmax cross-entropy; the films' weights are not divided out again, as in the binary one."""
    per_radiograph = F.cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)
    return (
        per_radiograph if weights is None else per_radiograph * weights.to(outputs.device)[targets]
    ).mean()


def binary_cross_entropy(
    outputs: Tensor, targets: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of (N, 1) logits of pneumonia and (N,) classes, mean over films."""
    per_radiograph = F.binary_cross_entropy_with_logits(
        outputs[:, 0], soften(targets, smoothing), reduction="none"
    )
    return (
        per_radiograph if weights is None else per_radiograph * weights.to(outputs.device)[targets]
    ).mean()


def _focal(
    outputs: Tensor, targets: Tensor, *, alpha: float, gamma: float, smoothing: float
) -> Tensor:
    return focal_loss(outputs[:, 0], soften(targets, smoothing), alpha=alpha, gamma=gamma)


def soften(targets: Tensor, smoothing: float) -> Tensor:
    """(N,) int64 0 or 1 -> (N,) float32 in [0, 1]: the labels, drawn towards one half."""
    return targets.float() * (1 - smoothing) + 0.5 * smoothing


def focal_loss(logits: Tensor, targets: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Binary focal loss, mean over films.

    Parameters
    ----------
    logits, targets
        (N,) float; targets in [0, 1], 1 = pneumonia.
    alpha
        Weight of pneumonia, in (0, 1); normal has 1 - alpha.
    gamma
        Focusing: 0 is weighted cross-entropy; larger counts films already right for less.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = torch.sigmoid(logits)
    of_target = probability * targets + (1 - probability) * (1 - targets)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * (1 - of_target) ** gamma * cross_entropy).mean()


def covered_loss(logits: Tensor) -> Tensor:
    """Mean squared logit: of films whose lungs are covered nothing can be said.

    Parameters
    ----------
    logits
        (N,) float; 0 for N = 0.
    """
    return (logits**2).sum() / max(len(logits), 1)


def share_outside(maps: Tensor, inside: Tensor) -> Tensor:
    """Mean share of the absolute map that lies outside the lungs, in [0, 1].

    Parameters
    ----------
    maps
        (N, h, w), in logits.
    inside
        (N, h, w) in [0, 1], the share of each cell that is lung.
    """
    strength = maps.abs()
    total = strength.sum(dim=(1, 2)) + 1e-6
    return ((strength * (1 - inside)).sum(dim=(1, 2)) / total).sum() / max(len(maps), 1)
