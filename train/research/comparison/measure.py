"""Figures of a trained network on a part of the data; the one place that reads an evaluation."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pneumonia.analysis.predictor import Predictor
from train.data.manifest import Manifest, Row
from train.data.squares import OnBadImage
from train.evaluate.evaluate import evaluate
from train.loop import checkpoint, runlog
from train.metrics import Confusion, confusion
from train.reporter import Reporter


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of pneumonia against normal at one threshold, in [0, 1]; None where undefined."""

    accuracy: float | None = None
    precision: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    f1: float | None = None

    @classmethod
    def of(cls, counts: Confusion) -> Self:
        return cls(**{name: _number(getattr(counts, name)) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one network on one part of the data; None where undefined or not known.

    Attributes
    ----------
    digest
        Of the radiographs that it was measured on.
    auroc_low, auroc_high
        Its 95 % interval, over patients.
    half
        Where the network's own probability, before any calibration, is at least 0.5, as papers
        report them.
    balanced
        At the bundle's operating point.
    three_accuracy, three_macro_f1
        Of three classes, each radiograph called what is likeliest after calibration.
    etiology_calibrated
        Whether bacterial and viral could be calibrated apart.
    """

    digest: str = ""
    films: int | None = None
    auroc: float | None = None
    auroc_low: float | None = None
    auroc_high: float | None = None
    half: Rates = Rates()
    balanced: Rates = Rates()
    three_accuracy: float | None = None
    three_macro_f1: float | None = None
    etiology_calibrated: bool = True

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From what ``asdict`` made of them. Raises TypeError or KeyError for anything else."""
        rates = {name: Rates(**values[name]) for name in ("half", "balanced")}
        return cls(**values | rates)

    def columns(self) -> dict[str, Any]:
        """Their columns of the CSV."""
        return {
            "films": self.films,
            **{f"{name}_at_half": value for name, value in asdict(self.half).items()},
            **{f"{name}_balanced": value for name, value in asdict(self.balanced).items()},
            **{name: getattr(self, name) for name in ("auroc", "auroc_low", "auroc_high")},
            "accuracy_of_3": self.three_accuracy,
            "macro_f1_of_3": self.three_macro_f1,
        }


def measure(
    predictor: Predictor,
    radiographs: Manifest,
    rows: Sequence[Row],
    reporter: Reporter,
    on_bad_image: OnBadImage = "stop",
) -> Figures:
    """Score the radiographs once, with the very predictor that serves.

    Raises
    ------
    DataError
        See :func:`train.evaluate.scoring.score`.
    """
    report = evaluate(predictor, rows, reporter, on_bad_image=on_bad_image)
    predictions, auroc, three = report.predictions, report.discrimination.auroc, report.classes
    return Figures(
        digest=digest(radiographs, rows),
        films=len(predictions.files),
        auroc=_number(auroc.value),
        auroc_low=_number(auroc.low),
        auroc_high=_number(auroc.high),
        half=Rates.of(confusion(predictions.labels, predictions.logits, 0.0)),
        balanced=Rates.of(report.at.confusion),
        three_accuracy=_number(three.accuracy.value) if three else None,
        three_macro_f1=_number(three.macro_f1.value) if three else None,
        etiology_calibrated=three.calibrated if three else True,
    )


def from_history(run: Path, n_classes: int, radiographs: Manifest, rows: Sequence[Row]) -> Figures:
    """What the best epoch of a run had on validation, for a network that has no bundle.

    Its rates are at a probability of 0.5, before any calibration.

    Parameters
    ----------
    run
        Folder of a run that trained to its end.
    rows
        Its validation radiographs.

    Raises
    ------
    RunError
        When ``best.pt`` of the run cannot be read.
    OSError, ValueError
        When its history cannot be.
    """
    best = checkpoint.read(run / checkpoint.BEST)["epoch"]
    with (run / runlog.HISTORY).open(encoding="utf-8", newline="") as file:
        (epoch,) = (row for row in csv.DictReader(file) if int(row["epoch"]) == best)
    names = ("auroc", "accuracy", "sensitivity", "specificity")
    auroc, accuracy, *rates = (_number(float(epoch[f"val_{name}"])) for name in names)
    half = Rates(sensitivity=rates[0], specificity=rates[1])
    found = Figures(digest(radiographs, rows), len(rows), auroc, half=half)
    # The history's accuracy is over all classes of the network.
    if n_classes == 3:
        return replace(found, three_accuracy=accuracy)
    return replace(found, half=replace(half, accuracy=accuracy))


def digest(radiographs: Manifest, rows: Sequence[Row]) -> str:
    """Hash of some of the radiographs."""
    return Manifest(radiographs.root, tuple(rows)).digest()


def _number(rate: float) -> float | None:
    return None if math.isnan(rate) else rate
