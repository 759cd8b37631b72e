"""Cost of a network: its training, and one radiograph on the CPU beside ResNet-50."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median
from time import perf_counter, sleep
from typing import Any, Self

import torch

from pneumonia.analysis.engines.candidates import choose_device
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.spec import NetworkSpec

BASELINE = "resnet50"
BASELINE_SIDE = 224
_WARM_UP = 2
_PAUSE_S = 0.02  # torch's idle threads spin for a moment; they must not take the other's cores


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a training, and what its network began from.

    Attributes
    ----------
    epochs_s
        Seconds of the epochs alone: training and validation, summed over sittings. Features of
        frozen layers are computed once and shared by all runs, so they are not part of it.
    films
        Radiographs that it trained on.
    layers, new_layers, frozen
        Names of the layers that began pretrained, that began without, and that were not trained.
    """

    parameters: int
    epochs: int
    epochs_s: float
    films: int
    device: str
    cores: int | None
    layers: list[str]
    new_layers: list[str]
    frozen: list[str]

    @classmethod
    def of_card(cls, card: dict[str, Any], device: str) -> Self:
        """Read from a bundle's card; ``device`` is what the training was told."""
        initial = card["initial_weights"]
        return cls(
            parameters=card["weights"]["parameters"],
            epochs=card["run"]["epochs"],
            epochs_s=card["run"]["seconds"],
            films=card["data"]["train"]["films"],
            device=choose_device(device),
            cores=os.cpu_count(),
            **{key: list(initial[key]) for key in ("layers", "new_layers", "frozen")},
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """Median seconds of one radiograph through a network and its map, and through ResNet-50."""

    radiograph_s: float
    baseline_s: float
    threads: int


def time_radiograph(network: Classifier, side: int, rounds: int) -> Speed:
    """Time a network on a blank radiograph of its size, A B A B with ResNet-50 at 224 x 224.

    Alternately, so that a busy moment of the machine hits both. Both compute the map as well, as
    the app does.
    """
    passes = (_pass(network, side), _pass(_baseline(), BASELINE_SIDE))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(_WARM_UP + rounds):
        for run, results in zip(passes, times, strict=True):
            sleep(_PAUSE_S)
            began = perf_counter()
            run()
            if turn >= _WARM_UP:
                results.append(perf_counter() - began)
    return Speed(median(times[0]), median(times[1]), torch.get_num_threads())


@cache
def _baseline() -> Classifier:
    return build(NetworkSpec(BASELINE))


def _pass(network: Classifier, side: int) -> Callable[[], object]:
    network.to("cpu", memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    radiograph = torch.zeros(1, 3, side, side).contiguous(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: network.forward_with_map(radiograph))
