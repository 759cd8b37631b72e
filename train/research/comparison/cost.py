"""What a network costs: its training, and one film on the CPU beside ResNet-50."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median
from time import perf_counter, sleep
from typing import Any

import torch

from pneumonia.analysis.predictor import choose_device
from pneumonia.networks.classifier import Classifier, NetworkSpec, build

BASELINE = "resnet50"
BASELINE_SIDE = 224
_WARM_UP = 2
_PAUSE_S = 0.02  # torch's idle threads spin for a moment; they must not take the other's cores


@dataclass(frozen=True, slots=True)
class Speed:
    """Median seconds of one film through the network and its map, and ResNet-50's in between."""

    radiograph_s: float
    baseline_s: float
    side: int
    threads: int


def of_training(card: dict[str, Any], device: str) -> dict[str, Any]:
    """From the card.

    ``epochs_s`` is the time of the epochs alone: training and validation, summed over sittings.
    What frozen layers make of the films is computed once and shared by all runs, so it is not part
    of it.
    """
    return {
        "parameters": card["weights"]["parameters"],
        "epochs": card["run"]["epochs"],
        "best_epoch": card["run"]["best_epoch"],
        "epochs_s": card["run"]["seconds"],
        "films": card["data"]["train"]["films"],
        "device": choose_device(device),
        "cores": os.cpu_count(),
        "layers": card["initial_weights"]["layers"],
        "new_layers": card["initial_weights"]["new_layers"],
        "frozen": card["initial_weights"]["frozen"],
    }


def time_radiograph(network: Classifier, side: int, rounds: int) -> Speed:
    """Time a network on blank films of its size, A B A B with ResNet-50 at 224 x 224.

    Alternately, so that a busy moment of the machine hits both. Both compute the map as well, as
    the app does.
    """
    sides = (_pass(network, side), _pass(_baseline(), BASELINE_SIDE))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(_WARM_UP + rounds):
        for run, results in zip(sides, times, strict=True):
            sleep(_PAUSE_S)
            began = perf_counter()
            run()
            if turn >= _WARM_UP:
                results.append(perf_counter() - began)
    return Speed(median(times[0]), median(times[1]), side, torch.get_num_threads())


@cache
def _baseline() -> Classifier:
    return build(NetworkSpec(BASELINE))


def _pass(network: Classifier, side: int) -> Callable[[], object]:
    network.to("cpu", memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    radiograph = torch.zeros(1, 3, side, side).contiguous(memory_format=torch.channels_last)

    def run() -> object:
        with torch.inference_mode():
            return network.forward_with_map(radiograph)

    return run
