"""The films of an evaluation once more, altered: gathered film by film, then summed up."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.radiograph import Radiograph
from train.measuring import metrics, stress
from train.measuring.evaluate import Batch, Reader
from train.measuring.evaluation import Evaluation
from train.measuring.rates import as_share, measure_rates


class StressProbe:
    """Every film again, altered in each of several ways, through the whole pipeline.

    Parameters
    ----------
    alterations
        By name, as :data:`train.measuring.stress.SHORTCUTS`.
    advance
        Called with the number of films after each alteration of a batch.
    """

    def __init__(
        self,
        predictor: Reader,
        alterations: Mapping[str, stress.Alteration],
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._predictor = predictor
        self._alterations = alterations
        self._advance = advance
        self._found: dict[str, list[float]] = {name: [] for name in alterations}
        #: How many altered films the gate would refuse, by the alteration's name.
        self.refused = dict.fromkeys(alterations, 0)

    def __call__(self, batch: Batch) -> None:
        for name in self._alterations:
            found = np.full(len(batch.films), nan)
            can = [i for i, known in enumerate(batch.lungs) if stress.can_alter(name, known)]
            films = [
                self._altered(name, batch.rows[i].file, batch.films[i], batch.lungs[i]) for i in can
            ]
            if films:
                examined = self._predictor.examine(films)
                found[can] = [f.probability for f in self._predictor.read(examined)]
                self.refused[name] += sum(film.refusal is not None for film in examined)
            self._found[name] += found.tolist()
            self._advance(len(batch.films))

    def _altered(self, name: str, file: str, film: Radiograph, lungs: Lungs | None) -> Radiograph:
        random = stress.generator(file, name)
        return replace(film, pixels=self._alterations[name](film.pixels, lungs, random))

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """float64 (films,), calibrated; nan where a film could not be altered so."""
        return np.array(self._found[name])


def withstand(evaluation: Evaluation, probe: StressProbe) -> dict[str, Any]:
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
            "what": stress.WHAT[name],
            "n": int(made.sum()),
            "auroc": auroc,
            "ece": ece,
            "sensitivity": as_share(sensitivity, int(np.sum(made & evaluation.truth))),
            "specificity": as_share(specificity, int(np.sum(made & ~evaluation.truth))),
            "median_change": float(np.median(change)) if len(change) else None,
            "refused_by_gate": probe.refused[name],
        }

    return {
        "shortcuts": {name: describe(name) for name in stress.SHORTCUTS},
        "robustness": {name: describe(name) for name in stress.ROBUSTNESS},
    }
