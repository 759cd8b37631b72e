"""Perturbed radiographs of an evaluation: scored image by image, then summed up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.radiograph import Radiograph
from train import metrics, perturbations
from train.estimates import Estimate
from train.evaluate.predictions import Bools, Floats, Predictions
from train.evaluate.scoring import Batch, Reader


class PerturbationProbe:
    """Every film again, altered in each of several ways, through the whole pipeline.

    Parameters
    ----------
    perturbations
        By name, as :data:`train.perturbations.SHORTCUTS`.
    advance
        Called with the number of films after each alteration of a batch.
    """

    def __init__(
        self,
        predictor: Reader,
        perturbations: Mapping[str, perturbations.Perturbation],
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._predictor = predictor
        self._perturbations = perturbations
        self._advance = advance
        self._found: dict[str, list[float]] = {name: [] for name in perturbations}
        #: How many altered films the gate would refuse, by the alteration's name.
        self.refused = dict.fromkeys(perturbations, 0)

    def __call__(self, batch: Batch) -> None:
        for name in self._perturbations:
            found = np.full(len(batch.radiographs), nan)
            can = [
                i for i, known in enumerate(batch.lungs) if perturbations.can_perturb(name, known)
            ]
            radiographs = [
                self._perturbed(name, batch.rows[i].file, batch.radiographs[i], batch.lungs[i])
                for i in can
            ]
            if radiographs:
                examined = self._predictor.examine(radiographs)
                found[can] = [f.probability for f in self._predictor.read(examined)]
                self.refused[name] += sum(radiograph.refusal is not None for radiograph in examined)
            self._found[name] += found.tolist()
            self._advance(len(batch.radiographs))

    def _perturbed(
        self, name: str, file: str, radiograph: Radiograph, lungs: Lungs | None
    ) -> Radiograph:
        random = perturbations.generator(file, name)
        return replace(
            radiograph, pixels=self._perturbations[name](radiograph.pixels, lungs, random)
        )

    def probabilities(self, name: str) -> Floats:
        """float64 (films,), calibrated; nan where a film could not be altered so."""
        return np.array(self._found[name])


@dataclass(frozen=True, slots=True)
class Perturbed:
    """Figures of n radiographs after one perturbation, at the operating point in force.

    Attributes
    ----------
    what
        The perturbation in words.
    median_change
        Of the probability, in [0, 1]; nan where none could be perturbed so.
    """

    what: str
    n: int
    auroc: Estimate
    ece: Estimate
    sensitivity: Estimate
    specificity: Estimate
    median_change: float
    refused_by_gate: int


@dataclass(frozen=True, slots=True)
class Perturbations:
    """Figures of each perturbation by name: those that look for shortcuts, and for robustness."""

    shortcuts: dict[str, Perturbed]
    robustness: dict[str, Perturbed]

    @classmethod
    def of(cls, predictions: Predictions, probe: PerturbationProbe) -> "Perturbations":
        return cls(
            {name: _of(name, predictions, probe) for name in perturbations.SHORTCUTS},
            {name: _of(name, predictions, probe) for name in perturbations.ROBUSTNESS},
        )


def _of(name: str, predictions: Predictions, probe: PerturbationProbe) -> Perturbed:
    threshold = predictions.operating_point.threshold

    def statistics(truth: Bools, p: Floats) -> Floats:
        c = metrics.confusion(truth, p, threshold)
        ece = metrics.expected_calibration_error(truth, p)
        return np.array([metrics.auroc(truth, p), ece, c.sensitivity, c.specificity])

    p = probe.probabilities(name)
    made = ~np.isnan(p)
    auroc, ece, sensitivity, specificity = predictions.estimate(statistics, made, p)
    change = np.abs(p - predictions.probabilities)[made]
    return Perturbed(
        what=perturbations.WHAT[name],
        n=int(made.sum()),
        auroc=auroc,
        ece=ece,
        sensitivity=sensitivity.as_share(int(np.sum(made & predictions.truth))),
        specificity=specificity.as_share(int(np.sum(made & ~predictions.truth))),
        median_change=float(np.median(change)) if len(change) else nan,
        refused_by_gate=probe.refused[name],
    )
