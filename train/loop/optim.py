"""Optimiser and learning-rate schedule, as a recipe asks for them."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from train.recipes.sections import Optimiser, Schedule

Part = Literal["body", "new", "head"]


def make_optimiser(
    model: nn.Module, part_of: Callable[[str], Part], recipe: Optimiser
) -> torch.optim.Optimizer:
    """An optimiser with one group per learning rate, biases and normalisation without weight decay.

    Parameters
    ----------
    part_of
        Which of the recipe's learning rates a parameter has, by its name: ``body`` (pretrained
        layers), ``new`` (layers without pretrained weights) or ``head``.
    """
    rates = {"head": recipe.head_rate, "new": recipe.new_layer_rate, "body": recipe.learning_rate}
    groups = []
    for part, rate in rates.items():
        for decays in (True, False):
            parameters = [
                p
                for name, p in model.named_parameters()
                if part_of(name) == part and (p.ndim > 1) == decays
            ]
            if parameters:
                decay = recipe.weight_decay if decays else 0.0
                groups.append({"params": parameters, "lr": rate, "weight_decay": decay})
    match recipe.name:
        case "adamw":
            return torch.optim.AdamW(groups)
        case "adam":
            return torch.optim.Adam(groups)
        case "adagrad":
            return torch.optim.Adagrad(groups)
        case "rmsprop":
            return torch.optim.RMSprop(groups, momentum=recipe.momentum)
        case "sgd":
            return torch.optim.SGD(groups, lr=recipe.head_rate, momentum=recipe.momentum)


def make_schedule(
    optimiser: torch.optim.Optimizer, recipe: Schedule, epochs: int, steps_per_epoch: int
) -> LambdaLR:
    """A learning-rate schedule set per step: constant, cosine with linear warm-up, or step."""
    total = epochs * steps_per_epoch
    warmup = max(1, round(recipe.warmup * total))

    def factor(step: int) -> float:
        if recipe.name == "constant":
            return 1.0
        if recipe.name == "step":
            return float(recipe.factor ** (step // steps_per_epoch // recipe.every))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    return LambdaLR(optimiser, factor)
