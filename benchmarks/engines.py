"""The classifier's body on each engine of this machine, beside PyTorch as it comes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.measure import PAUSE_S, THREADS
from pneumonia.analysis.bundle import load_bundle
from pneumonia.analysis.engines.candidates import candidates
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
    size = load_bundle(folder).card.preprocess.size
    images = torch.rand(TOGETHER, 3, size, size, generator=torch.Generator().manual_seed(0))
    bodies: dict[str, Callable[[torch.Tensor], object]] = {
        "PyTorch eager float32": load_bundle(folder).network.body
    }
    for engine in candidates("auto", "cpu", THREADS, None):
        prepared = engine.prepare(load_bundle(folder).network.body, images[:2])
        bodies[f"{engine.name}, float32"] = prepared
        if (draft := engine.draft(prepared)) is not None:
            bodies[f"{engine.name}, bfloat16"] = draft
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
