"""EvaluationReport: every figure of an evaluation, typed, and its views as JSON.

``metrics.json``, ``evidence.json`` and the short form in a bundle's card are views of it, as are
the printed lines, the plots and the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from math import isnan
from typing import Any, Final

import numpy as np

from train.estimates import Estimate
from train.evaluate.calibration import Calibration, SelectivePrediction
from train.evaluate.classes import ThreeClasses
from train.evaluate.discrimination import (
    AtPoint,
    Discrimination,
    Group,
    OfEtiology,
    split_by_etiology,
    split_by_group,
)
from train.evaluate.maps import HeatProbe, HeatReport
from train.evaluate.perturbed import Perturbations
from train.evaluate.predictions import Predictions
from train.metrics import Confusion

WORST: Final = 12
#: In the card, of each operating point.
_RATES: Final = ("accuracy", "sensitivity", "specificity", "f1", "mcc")


@dataclass(frozen=True, slots=True)
class Scored:
    """One radiograph: what it is (``normal`` or ``pneumonia``) and its calibrated probability."""

    file: str
    label: str
    probability: float
    indeterminate: bool


@dataclass(frozen=True, eq=False, slots=True)
class EvaluationReport:
    """Figures of one model on one set of radiographs, each with its 95 % interval.

    Attributes
    ----------
    etiology
        By cause; empty where the data names none.
    sources, populations
        By place and by whose radiographs they are, the worst first; empty where nothing says so.
    classes
        None for a model of two classes, or where the data names no cause.
    perturbations
        None until the radiographs were scored perturbed, and in a quick evaluation.
    """

    predictions: Predictions
    discrimination: Discrimination
    calibration: Calibration
    selective: SelectivePrediction
    etiology: dict[str, OfEtiology]
    sources: dict[str, Group]
    populations: dict[str, Group]
    classes: ThreeClasses | None
    map: HeatReport
    perturbations: Perturbations | None = None
    quick: bool = True

    @classmethod
    def of(cls, predictions: Predictions, heat: HeatProbe, *, quick: bool) -> "EvaluationReport":
        """The figures of radiographs as they are; ``heat`` saw the same ones."""
        return cls(
            predictions,
            Discrimination.of(predictions),
            Calibration.of(predictions),
            SelectivePrediction.of(predictions),
            split_by_etiology(predictions),
            split_by_group(predictions, predictions.sources),
            split_by_group(predictions, predictions.populations),
            ThreeClasses.of(predictions),
            HeatReport.of(predictions, heat),
            quick=quick,
        )

    @property
    def command(self) -> str | None:
        """The command line that gives these figures again; None without a source."""
        return self.predictions.command(quick=self.quick)

    @property
    def at(self) -> AtPoint:
        """The figures at the operating point in force."""
        return self.discrimination.points[self.predictions.operating_point.name]

    @property
    def worst(self) -> list[Scored]:
        """At most :data:`WORST` wrong calls, those farthest from the threshold first."""
        p = self.predictions
        distance = np.abs(p.probabilities - p.operating_point.threshold)
        wrong = np.flatnonzero(p.predicted != p.labels)
        return self._scored(wrong[np.argsort(-distance[wrong], kind="stable")][:WORST])

    @property
    def indeterminate(self) -> list[Scored]:
        """The radiographs in the band of the operating point in force."""
        return self._scored(np.flatnonzero(self.predictions.indeterminate))

    def _scored(self, places: np.ndarray) -> list[Scored]:
        p = self.predictions
        labels = ("normal", "pneumonia")
        return [
            Scored(
                p.files[i],
                labels[p.labels[i]],
                float(p.probabilities[i]),
                bool(p.indeterminate[i]),
            )
            for i in places
        ]

    def _about(self) -> dict[str, Any]:
        p = self.predictions
        return {
            "n": len(p.files),
            "patients": len(set(p.patients)),
            "model": p.model,
            "data": p.source,
            "command": self.command,
            "classes": self.classes,
            "refused": p.refused,
            "refused_by_gate": p.refused_by_gate,
        }

    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``: the figures at the operating point in force."""
        point, rates = self.predictions.operating_point, self.at.rates
        found = self._about() | {
            "accuracy": rates.accuracy,
            "sensitivity": rates.sensitivity,
            "specificity": rates.specificity,
            "precision": rates.precision,
            "f1": rates.f1,
            "auc": self.discrimination.auroc,
            "brier": self.calibration.brier,
            "ece": self.calibration.ece,
            "confusion": self.at.confusion,
            "operating_point": {"name": point.name, "threshold": point.threshold},
            "indeterminate": len(self.indeterminate),
        }
        return dict(as_json(found))

    def evidence(self) -> dict[str, Any]:
        """The content of ``evidence.json``: every figure."""
        p = self.predictions
        found = self._about() | {
            "normal": int(np.sum(~p.truth)),
            "pneumonia": int(np.sum(p.truth)),
            "operating_point": p.operating_point.name,
            "discrimination": self.discrimination,
            "calibration": self.calibration,
            "selective": self.selective,
            "etiology": self.etiology,
            "sources": self.sources,
            "populations": self.populations,
            "tells_etiology": p.viral is not None,
            "worst": self.worst,
            "perturbations": self.perturbations,
            "map": self.map,
            "indeterminate": self.indeterminate,
            "summary": self.summary(),
        }
        return dict(as_json(found))

    def summary(self) -> dict[str, Any]:
        """The short form that a card carries: of each measured thing one figure, to four digits."""
        p, source = self.predictions, self.predictions.source
        points = {
            name: {"threshold": at.threshold, **{key: getattr(at.rates, key) for key in _RATES}}
            for name, at in self.discrimination.points.items()
        }
        found: dict[str, Any] = {
            "data": source.folder if source else None,
            "split": source.split if source else None,
            "n": len(p.files),
            "auroc": self.discrimination.auroc,
            "auprc": self.discrimination.auprc,
            "operating_point": p.operating_point.name,
            "operating_points": points,
            "ece": self.calibration.ece,
            "brier": self.calibration.brier,
            "heat_inside": self.map.heat_in_lungs_of_all_pneumonias,
            "refused": len(p.refused_by_gate),
            "indeterminate": len(self.indeterminate),
            "command": self.command,
        }
        if (three := self.classes) and three.calibrated:  # the app shows nothing else
            names = ("n", "unknown", "accuracy", "macro_f1", "macro_auroc")
            found["classes"] = {name: getattr(three, name) for name in names}
        if self.populations:
            found["populations"] = self.populations
        if self.sources:
            found["sources"] = self.sources
        if (tests := self.perturbations) is not None:
            found["shortcuts"] = {name: one.auroc for name, one in tests.shortcuts.items()}
            found["robustness"] = {
                name: {"auroc": one.auroc, "ece": one.ece} for name, one in tests.robustness.items()
            }
        return dict(as_json(found, digits=4))


def as_json(value: Any, digits: int | None = None) -> Any:
    """JSON of a report: None for nan, an object for a record, ``[[tn, fp], [fn, tp]]`` for counts.

    Parameters
    ----------
    digits
        To which estimates are rounded; other numbers are left as they are.
    """
    match value:
        case Estimate():
            return value.as_dict(digits)
        case Confusion():
            return [[value.tn, value.fp], [value.fn, value.tp]]
        case AtPoint():
            flat = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "rates"}
            return as_json(flat, digits) | as_json(value.rates, digits)
        case float():
            return None if isnan(value) else value
        case Mapping():
            return {name: as_json(one, digits) for name, one in value.items()}
        case tuple() | list():
            return [as_json(one, digits) for one in value]
    if is_dataclass(value):
        return {f.name: as_json(getattr(value, f.name), digits) for f in fields(value)}
    return value
