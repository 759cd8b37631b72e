"""Optimiser, learning-rate schedule and averaged weights, as a recipe asks for them."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train.loop.tail import Tail
from train.recipes.sections import Optimiser, Schedule


def make_optimiser(tail: Tail, fresh: tuple[str, ...], recipe: Optimiser) -> torch.optim.Optimizer:
    """One group per learning rate, and biases and normalisation without weight decay.

    Parameters
    ----------
    fresh
        Names of the layers that start without pretrained weights.
    """
    groups = []
    rates = {"head": recipe.head_rate, "fresh": recipe.new_layer_rate, "body": recipe.learning_rate}
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


def _part(name: str, fresh: tuple[str, ...]) -> str:
    section, layer = name.split(".")[:2]
    if section in ("head", "auxiliary"):
        return "head" if section == "head" else "fresh"
    return "fresh" if (section if section == "dense" else layer) in fresh else "body"


class Rates:
    """The learning rates over a run: a factor set per step, or lowered when nothing improves."""

    def __init__(
        self, optimiser: torch.optim.Optimizer, recipe: Schedule, epochs: int, steps_per_epoch: int
    ) -> None:
        self._plateau: ReduceLROnPlateau | None = None
        self._factor: LambdaLR | None = None
        if recipe.name == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimiser,
                mode="max",
                factor=recipe.factor,
                patience=recipe.patience,
                threshold=0.0,  # torch's own, a share of the score, is wrong below zero
            )
        else:
            self._factor = make_schedule(optimiser, recipe, epochs * steps_per_epoch, epochs)

    def after_step(self) -> None:
        if self._factor is not None:
            self._factor.step()

    def after_epoch(self, score: float) -> None:
        """``score`` rises as the network gets better."""
        if self._plateau is not None:
            self._plateau.step(score)

    def state_dict(self) -> dict[str, Any]:
        return (self._plateau or self._factor).state_dict()  # type: ignore[union-attr]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        (self._plateau or self._factor).load_state_dict(state)  # type: ignore[union-attr]


def make_schedule(
    optimiser: torch.optim.Optimizer, recipe: Schedule, total_steps: int, epochs: int = 1
) -> LambdaLR:
    """A factor on every group's rate, set per step: constant, cosine or step."""
    warmup = max(1, round(recipe.warmup * total_steps))
    steps_per_epoch = max(1, total_steps // epochs)

    def factor(step: int) -> float:
        if recipe.name == "constant":
            return 1.0
        if recipe.name == "step":
            return float(recipe.factor ** (step // steps_per_epoch // recipe.every))
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
