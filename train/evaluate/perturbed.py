"""The films of an evaluation once more, altered: gathered film by film, then summed up."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.radiograph import Radiograph
from train import metrics, perturbations
from train.evaluate.evaluate import Batch, Reader
from train.evaluate.evaluation import Evaluation
from train.evaluate.rates import as_share, measure_rates


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

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """float64 (films,), calibrated; nan where a film could not be altered so."""
        return np.array(self._found[name])


def withstand(evaluation: Evaluation, probe: PerturbationProbe) -> dict[str, Any]:
    """Figures of each alteration, the decision at the operating point in force."""
    threshold = evaluation.operating_point.threshold

    def statistics(truth: NDArray[np.bool_], p: NDArray[np.float64]) -> NDArray[np.float64]:
        c = metrics.confusion(truth, p, threshold)
        ece = metrics.expected_calibration_error(truth, p)
        return np.array([metrics.auroc(truth, p), ece, c.sensitivity, c.specificity])

    def describe(name: str) -> dict[str, Any]:
        p = probe.probabilities(name)
        made = ~np.isnan(p)
        auroc, ece, sensitivity, specificity = measure_rates(evaluation, statistics, made, p)
        change = np.abs(p - evaluation.probabilities)[made]
        return {
            "what": perturbations.WHAT[name],
            "n": int(made.sum()),
            "auroc": auroc,
            "ece": ece,
            "sensitivity": as_share(sensitivity, int(np.sum(made & evaluation.truth))),
            "specificity": as_share(specificity, int(np.sum(made & ~evaluation.truth))),
            "median_change": float(np.median(change)) if len(change) else None,
            "refused_by_gate": probe.refused[name],
        }

    return {
        "shortcuts": {name: describe(name) for name in perturbations.SHORTCUTS},
        "robustness": {name: describe(name) for name in perturbations.ROBUSTNESS},
    }
