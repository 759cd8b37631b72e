"""Optimiser, learning-rate schedule and averaged weights, as a recipe asks for them."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train.recipe import Optimiser, Schedule
from train.tail import Tail


def make_optimiser(tail: Tail, fresh: tuple[str, ...], recipe: Optimiser) -> torch.optim.Optimizer:
    """One group per learning rate, and biases and normalisation without weight decay.

    Parameters
    ----------
    fresh
        Names of the body's layers that start without pretrained weights.
    """
    groups = []
    rates = {"head": recipe.head_rate, "fresh": recipe.fresh_rate, "body": recipe.learning_rate}
    for part, rate in rates.items():
        for decays in (True, False):
            parameters = [
                p
                for name, p in tail.named_parameters()
                if _part(name, fresh) == part and (p.ndim > 1) == decays
            ]
            if parameters:
                decay = recipe.weight_decay if decays else 0.0
                groups.append({"params": parameters, "lr": rate, "weight_decay": decay})
    if recipe.name == "rmsprop":
        return torch.optim.RMSprop(groups)
    return torch.optim.AdamW(groups)


def _part(name: str, fresh: tuple[str, ...]) -> str:
    section, layer = name.split(".")[:2]
    return "head" if section == "head" else "fresh" if layer in fresh else "body"


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Schedule, total_steps: int) -> LambdaLR:
    """A factor on every group's rate, set per step."""
    warmup = max(1, round(recipe.warmup * total_steps))

    def factor(step: int) -> float:
        if recipe.name == "constant":
            return 1.0
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup)))

    return LambdaLR(optimiser, factor)


def make_average(tail: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential moving average of weights and batch statistics, or None for decay 0."""
    if decay == 0:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(tail, multi_avg_fn=average, use_buffers=True)
