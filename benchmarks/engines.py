"""The classifier's body on each engine of this machine, beside PyTorch as it comes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import PAUSE_S, THREADS
from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.engines.candidates import candidates
from pneumonia.analysis.engines.pytorch import load_classifier
from pneumonia.config import Settings

TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Speeds:
    """Images per second by engine: of one image, and of several at once."""

    images_per_s: dict[str, tuple[float, float]]

    def __str__(self) -> str:
        (_, (base_1, base_8)), *_ = self.images_per_s.items()
        lines = [
            f"  {name:<32} {one:7.1f} {one / base_1:6.2f} {many:7.1f} {many / base_8:6.2f}"
            for name, (one, many) in self.images_per_s.items()
        ]
        head = f"  {'images per second, and ratio':<32} {'one':>14} {f'{TOGETHER} at once':>14}"
        return "\n".join([head, *lines])


def compare(settings: Settings, *, rounds: int = 10) -> Speeds:
    """Measure all of them in turn. Raises NoModel, DamagedBundle."""
    torch.set_num_threads(THREADS)
    folder = settings.models_dir / settings.model
    bundle = read_bundle(folder)
    size = bundle.card.preprocess.size
    images = np.random.default_rng(0).random((TOGETHER, 3, size, size), np.float32)
    eager = load_classifier(bundle).body
    bodies: dict[str, Callable[[NDArray[np.float32]], object]] = {
        "PyTorch eager float32": lambda some: eager(torch.from_numpy(some))
    }
    for engine in candidates("auto", "cpu", THREADS, None):
        networks = engine.load(bundle)
        bodies[f"{engine.name}, float32"] = networks.body
        if networks.draft is not None:
            bodies[f"{engine.name}, bfloat16"] = networks.draft
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in bodies}
    with torch.inference_mode():
        for turn in range(rounds + 2):
            for name, body in bodies.items():
                for some, taken in zip((images[:1], images), times[name], strict=True):
                    time.sleep(PAUSE_S)
                    began = time.perf_counter()
                    body(some)
                    if turn >= 2:
                        taken.append((time.perf_counter() - began) / len(some))
    return Speeds({n: (1 / median(one), 1 / median(many)) for n, (one, many) in times.items()})
