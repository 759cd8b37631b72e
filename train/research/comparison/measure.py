"""A bundle's figures on a part of the data, with the very predictor that serves."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pneumonia.analysis.predictor import Predictor
from train.data.manifest import Manifest, Row
from train.data.squares import OnBadImage
from train.evaluate.evaluate import Batch, evaluate
from train.evaluate.summary import summarise
from train.metrics import Confusion, confusion
from train.reporter import Reporter

RATES = ("accuracy", "precision", "sensitivity", "specificity", "f1")


class Logits:
    """A probe that keeps the network's raw outputs of the films that pass."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def __call__(self, batch: Batch) -> None:
        self.values += [finding.logit for finding in batch.findings]


def measure(
    predictor: Predictor,
    manifest: Manifest,
    rows: Sequence[Row],
    reporter: Reporter,
    on_bad_image: OnBadImage = "stop",
) -> dict[str, Any]:
    """Score the films once.

    Returns
    -------
    ``half``: rates where the network's own probability, before any calibration, is at least 0.5,
    as papers report them. ``balanced``: rates at the bundle's operating point. ``auroc`` with its
    interval (over patients). ``classes``: accuracy and macro F1 of three classes, each film called
    what is likeliest after calibration, and whether bacterial and viral could be calibrated apart.
    What cannot be computed is None.

    Raises
    ------
    DataError
        See :func:`train.evaluate.evaluate.evaluate`.
    """
    logits = Logits()
    with reporter.bar("films", len(rows)) as advance:
        evaluation = evaluate(
            predictor, rows, on_bad_image=on_bad_image, advance=advance, probes=[logits]
        )
    figures = summarise(evaluation)
    return {
        "digest": Manifest(manifest.root, tuple(rows)).digest(),
        "films": figures["n"],
        "patients": figures["patients"],
        "auroc": figures["auc"],
        "half": _rates(confusion(evaluation.labels, np.array(logits.values), 0.0)),
        "balanced": _rates(evaluation.counts),
        "classes": _of_three(figures["classes"]),
    }


def _of_three(found: dict[str, Any] | None) -> dict[str, Any]:
    rates = found or {}
    values = {name: rates.get(name, {}).get("value") for name in ("accuracy", "macro_f1")}
    return values | {"calibrated": rates.get("calibrated", True)}


def _rates(counts: Confusion) -> dict[str, float | None]:
    rates = {name: getattr(counts, name) for name in RATES}
    return {name: None if math.isnan(rate) else rate for name, rate in rates.items()}
