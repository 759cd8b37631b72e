"""Figures of a network that learnt nothing, and so has no bundle: those its training kept."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.data.manifest import Manifest, Row
from train.loop import checkpoint, runlog
from train.recipes.recipe import Recipe
from train.research.comparison.measure import RATES


def figures(
    run: Path, recipe: Recipe, radiographs: Manifest, rows: Sequence[Row]
) -> dict[str, Any]:
    """What the best epoch had on validation at a probability of 0.5, before any calibration.

    Parameters
    ----------
    run
        Folder of a run that trained to its end.
    rows
        Its validation films.

    Returns
    -------
    As :func:`train.research.comparison.measure.measure`; what the history does not say is None.

    Raises
    ------
    RunError
        When ``best.pt`` of the run cannot be read.
    """
    best = checkpoint.read(run / "best.pt")["epoch"]
    with (run / runlog.HISTORY).open(encoding="utf-8", newline="") as file:
        (epoch,) = (row for row in csv.DictReader(file) if int(row["epoch"]) == best)

    def rate(name: str) -> float | None:
        value = float(epoch[f"val_{name}"])
        return None if math.isnan(value) else value

    none = dict.fromkeys(RATES)
    half = none | {name: rate(name) for name in ("sensitivity", "specificity")}
    # The history's accuracy is over all classes of the network.
    three = len(recipe.classes) == 3
    accuracy = rate("accuracy")
    return {
        "digest": Manifest(radiographs.root, tuple(rows)).digest(),
        "films": len(rows),
        "patients": len({row.patient or row.file for row in rows}),
        "auroc": {"value": rate("auroc"), "ci95": [None, None]},
        "half": half if three else half | {"accuracy": accuracy},
        "balanced": none,
        "classes": {"accuracy": accuracy if three else None, "macro_f1": None, "calibrated": False},
    }
