"""Time two things alternately, and say how they compare."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
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

    @property
    def holds(self) -> bool:
        return self.ratio <= self.limit

    def __str__(self) -> str:
        verdict = "within" if self.holds else "ABOVE"
        width = max(len(self.subject), len(self.baseline))
        return (
            f"  {self.subject:<{width}}  {self.subject_s * 1000:8.2f} ms\n"
            f"  {self.baseline:<{width}}  {self.baseline_s * 1000:8.2f} ms\n"
            f"  {'ratio':<{width}}  {self.ratio:8.3f}     ({verdict} the limit of {self.limit:g})"
        )


@dataclass(frozen=True, slots=True)
class Lead:
    """How many times as many images per second a subject works through as its baseline.

    Attributes
    ----------
    subject_s, baseline_s
        Seconds of each turn, measured alternately; at least two.
    images
        Of a turn.
    floor
        The least that the median ratio must be.
    """

    subject: str
    subject_s: tuple[float, ...]
    baseline: str
    baseline_s: tuple[float, ...]
    images: int
    floor: float

    @property
    def ratio(self) -> float:
        return median(self.baseline_s) / median(self.subject_s)

    @property
    def middle(self) -> tuple[float, float]:
        """Quartiles of the ratios of the single rounds: how far the machine's noise goes."""
        rounds = [b / s for s, b in zip(self.subject_s, self.baseline_s, strict=True)]
        low, _, high = quantiles(rounds, n=4)
        return low, high

    @property
    def holds(self) -> bool:
        return self.ratio >= self.floor

    def __str__(self) -> str:
        verdict = "at least" if self.holds else "BELOW"
        width = max(len(self.subject), len(self.baseline))
        low, high = self.middle
        return (
            f"  {self.subject:<{width}}  {self.images / median(self.subject_s):8.2f} images/s\n"
            f"  {self.baseline:<{width}}  {self.images / median(self.baseline_s):8.2f} images/s\n"
            f"  {'ratio':<{width}}  {self.ratio:8.2f}     ({verdict} {self.floor:g}; the middle "
            f"half of {len(self.subject_s)} rounds: {low:.2f} to {high:.2f})"
        )


def alternate(
    subject: Callable[[], object], baseline: Callable[[], object], *, rounds: int, warm_up: int
) -> tuple[float, float]:
    """Median seconds of each, measured A B A B, so that a busy moment of the machine hits both."""
    subject_s, baseline_s = take_turns(subject, baseline, rounds=rounds, warm_up=warm_up)
    return median(subject_s), median(baseline_s)


def take_turns(
    subject: Callable[[], object], baseline: Callable[[], object], *, rounds: int, warm_up: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds of every turn of each after the warm-up, measured A B A B."""
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
    return tuple(times[0]), tuple(times[1])
