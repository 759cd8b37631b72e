"""``make bench``: measure everything, write docs/performance.md, fail where a limit is missed.

``python -m benchmarks NAME ...`` runs some of them, and writes nothing.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import torch

from benchmarks import cam_cost, engines, serving, stages, training
from benchmarks.measure import THREADS
from benchmarks.report import Section, write
from pneumonia.analysis.card import read_card
from pneumonia.config import Settings
from pneumonia.errors import DomainError


def main(names: list[str]) -> int:
    settings = Settings.from_environ()
    measures: dict[str, tuple[str, Callable[[], Iterator[object]]]] = {
        "engines": ("The classifier on each engine", lambda: iter([engines.compare(settings)])),
        "map": ("The map beside the forward pass", lambda: iter([cam_cost.compare(settings)])),
        "stages": ("Where a reading's time goes", lambda: iter([stages.profile(settings)])),
        "request": ("A request beside a bare forward pass", lambda: iter([serving.compare()])),
        "throughput": ("Throughput beside a naive service", serving.throughput),
        "training": (
            "A step of training beside torchvision's",
            lambda: iter([training.compare(settings)]),
        ),
    }
    try:
        card = read_card(settings.models_dir / settings.model)
    except DomainError as error:
        print(f"Nothing to measure: {error}", file=sys.stderr)
        return 1
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, model {card.id} ({card.architecture}), {_processor()}, "
        f"{os.cpu_count()} cores, {THREADS} threads, torch {torch.__version__}, Python "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    )
    print(machine)
    sections, holds = [], True
    for name in names or measures:
        title, measure = measures[name]
        print(f"\n{title} (medians, measured in turns)", flush=True)
        found = []
        for one in measure():
            found.append(str(one))
            holds = holds and getattr(one, "holds", True)
            print(one, flush=True)
        sections.append(Section(title, found))
    if not names:
        write(machine, sections)
    return int(not holds)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii") as lines:  # noqa: PTH123
            return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
