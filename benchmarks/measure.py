"""Time two things alternately, and say how they compare."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, sleep

THREADS = 2
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median times of a subject and of what it is held against, and the ratio it may reach."""

    subject: str
    subject_s: float
    baseline: str
    baseline_s: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.subject_s / self.baseline_s

    def __str__(self) -> str:
        verdict = "within" if self.ratio <= self.limit else "ABOVE"
        width = max(len(self.subject), len(self.baseline))
        return (
            f"  {self.subject:<{width}}  {self.subject_s * 1000:8.2f} ms\n"
            f"  {self.baseline:<{width}}  {self.baseline_s * 1000:8.2f} ms\n"
            f"  {'ratio':<{width}}  {self.ratio:8.3f}     ({verdict} the limit of {self.limit:g})"
        )


def alternate(
    subject: Callable[[], object], baseline: Callable[[], object], *, rounds: int, warm_up: int
) -> tuple[float, float]:
    """Median seconds of each, measured A B A B, so that a busy moment of the machine hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(warm_up + rounds):
        for run, results in zip((subject, baseline), times, strict=True):
            # torch's idle threads spin for a moment; they must not take the other side's cores.
            sleep(PAUSE_S)
            began = perf_counter()
            run()
            took_s = perf_counter() - began
            if turn >= warm_up:
                results.append(took_s)
    return median(times[0]), median(times[1])
