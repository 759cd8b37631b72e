"""Losses on a network's outputs."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

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
        return partial(_binary_cross_entropy, weights=weights, smoothing=label_smoothing)
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


def _binary_cross_entropy(
    outputs: Tensor, targets: Tensor, *, weights: Tensor | None, smoothing: float
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
    """torchvision's focal loss (Lin et al. 2017), the mean over films.

    ``alpha`` in (0, 1) weighs pneumonia, 1 - alpha normal; ``gamma`` 0 is cross-entropy, and a
    larger one counts films that are already right for less.
    """
    labels = soften(targets, smoothing)
    loss: Tensor = sigmoid_focal_loss(outputs[:, 0], labels, alpha, gamma, reduction="mean")
    return loss


def soften(targets: Tensor, smoothing: float) -> Tensor:
    """(N,) int64 0 or 1 -> (N,) float32 in [0, 1]: the labels, drawn towards one half."""
    return targets.float() * (1 - smoothing) + 0.5 * smoothing


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
