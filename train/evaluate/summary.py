"""The figures of an evaluation at its operating point: the content of ``metrics.json``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.estimates import estimate, estimate_rates
from train.evaluate import per_class
from train.evaluate.evaluation import Evaluation, fields
from train.metrics import auroc, brier, confusion, expected_calibration_error


def summarise(evaluation: Evaluation) -> dict[str, Any]:
    """The content of ``metrics.json``; what cannot be computed is None.

    Figures are ``{"value": v, "ci95": [lo, hi]}``, by the rule of :mod:`train.estimates`. A
    resample has noisier bins than the films themselves, so the interval of the ECE leans upwards.
    Under ``classes`` stand those of :func:`train.evaluate.per_class.measure`.
    """
    c, point = evaluation.counts, evaluation.operating_point

    def statistics(truth: NDArray[np.bool_], p: NDArray[np.float64]) -> NDArray[np.float64]:
        f1 = confusion(truth, p, point.threshold).f1
        return np.array(
            [f1, auroc(truth, p), brier(truth, p), expected_calibration_error(truth, p)]
        )

    scored = evaluation.truth, evaluation.probabilities, evaluation.patients
    rates = estimate_rates(*scored, point.threshold)
    others = dict(zip(("f1", "auc", "brier", "ece"), estimate(statistics, *scored), strict=True))
    return {
        "n": c.n,
        **{name: one.as_dict() for name, one in (rates | others).items()},
        "confusion": [[c.tn, c.fp], [c.fn, c.tp]],
        "classes": per_class.measure(evaluation),
        "operating_point": {"name": point.name, "threshold": point.threshold},
        "model": {"id": evaluation.model.id, "sha256": evaluation.model.sha256},
        "data": fields(evaluation.source) if evaluation.source else None,
        "patients": len(set(evaluation.patients)),
        "indeterminate": int(np.sum(evaluation.indeterminate)),
        "refused": [fields(r) for r in evaluation.refused],
        "refused_by_gate": [fields(r) for r in evaluation.refused_by_gate],
        "command": evaluation.command,
    }
