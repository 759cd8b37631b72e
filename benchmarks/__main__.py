"""``make bench``: run every measurement, print its ratio, fail where one misses its limit."""

import platform
import sys

import torch

from benchmarks import cam_cost, gate_cost, serving, training
from benchmarks.measure import THREADS, Comparison, Lead
from pneumonia.analysis.card import read_card
from pneumonia.config import Settings
from pneumonia.errors import DomainError


def main() -> int:
    settings = Settings.from_environ()
    try:
        card = read_card(settings.models_dir / settings.model)
    except DomainError as error:
        print(f"Nothing to measure: {error}", file=sys.stderr)
        return 1
    print(
        f"Model {card.id} ({card.architecture}), torch {torch.__version__}, {THREADS} threads, "
        f"Python {platform.python_version()}"
    )
    comparisons: list[Comparison | Lead] = []
    for title, compare in (
        ("The map beside the forward pass", lambda: cam_cost.compare(settings)),
        ("The gate beside the classifier", lambda: gate_cost.compare(settings)),
        ("A request beside a bare forward pass", serving.compare),
        ("A step of training beside torchvision's", lambda: training.compare(settings)),
    ):
        print(f"\n{title} (medians, measured alternately)", flush=True)
        comparisons.append(compare())
        print(comparisons[-1])
    return int(not all(c.holds for c in comparisons))


if __name__ == "__main__":
    sys.exit(main())
