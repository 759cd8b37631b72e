"""Losses on logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
