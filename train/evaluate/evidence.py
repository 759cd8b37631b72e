"""The evidence report as figures: what ``evidence.json`` holds and ``evidence.html`` shows.

Every rate is ``{"value": v, "ci95": [lo, hi]}`` with a percentile bootstrap over patients (1000
rounds, seed 0); shares of films that are exactly 0 or 1 have Wilson's interval. What cannot be
computed is None.
"""

from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from train import metrics
from train.evaluate import per_class
from train.evaluate.curves import selective_accuracy
from train.evaluate.evaluation import Evaluation, fields
from train.evaluate.maps import HeatProbe, locate
from train.evaluate.perturbed import PerturbationProbe, withstand
from train.evaluate.rates import as_share, measure_rates

RATES: Final = ("accuracy", "sensitivity", "specificity", "f1", "mcc")
COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
WORST: Final = 12
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def measure(
    evaluation: Evaluation, heat: HeatProbe, perturbed: PerturbationProbe | None
) -> dict[str, Any]:
    """All figures of the report.

    Parameters
    ----------
    heat, perturbed
        Probes that saw the films of this evaluation; ``perturbed`` is None where none was altered.
    """
    found: dict[str, Any] = {
        "n": len(evaluation.files),
        "patients": len(set(evaluation.patients)),
        "normal": int(np.sum(~evaluation.truth)),
        "pneumonia": int(np.sum(evaluation.truth)),
        "model": {"id": evaluation.model.id, "sha256": evaluation.model.sha256},
        "data": fields(evaluation.source) if evaluation.source else None,
        "command": command(evaluation, quick=perturbed is None),
        "operating_point": evaluation.operating_point.name,
        "discrimination": discriminate(evaluation),
        "calibration": calibrate(evaluation),
        "selective": select(evaluation),
        "etiology": split_by_etiology(evaluation),
        "tells_causes": evaluation.viral is not None,
        "classes": per_class.measure(evaluation),
        "worst": find_worst(evaluation),
        "stress": withstand(evaluation, perturbed) if perturbed is not None else None,
        "map": locate(evaluation, heat),
        "refused": [fields(r) for r in evaluation.refused],
        "refused_by_gate": [fields(r) for r in evaluation.refused_by_gate],
        "indeterminate": list_indeterminate(evaluation),
    }
    return found | {"summary": summarise(found)}


def command(evaluation: Evaluation, *, quick: bool) -> str | None:
    """The command line that gives these figures again."""
    return f"{evaluation.command} --quick" if evaluation.command and quick else evaluation.command


def discriminate(evaluation: Evaluation) -> dict[str, Any]:
    """AUROC and AUPRC, and the rates and the confusion at each operating point."""
    points = evaluation.points

    def statistics(truth: Bools, p: Floats) -> Floats:
        at = [metrics.confusion(truth, p, point.threshold) for point in points.values()]
        rates = [getattr(counts, name) for counts in at for name in RATES]
        return np.array([metrics.auroc(truth, p), metrics.auprc(truth, p), *rates])

    auroc, auprc, *rates = measure_rates(evaluation, statistics)
    found: dict[str, Any] = {"auroc": auroc, "auprc": auprc, "points": {}}
    for i, (name, point) in enumerate(points.items()):
        c = metrics.confusion(evaluation.truth, evaluation.probabilities, point.threshold)
        of_point = dict(zip(RATES, rates[i * len(RATES) : (i + 1) * len(RATES)], strict=True))
        shares = {"accuracy": c.n, "sensitivity": c.tp + c.fn, "specificity": c.tn + c.fp}
        found["points"][name] = {
            "threshold": point.threshold,
            "indeterminate": list(point.indeterminate) if point.indeterminate else None,
            "confusion": [[c.tn, c.fp], [c.fn, c.tp]],
            **of_point,
            **{key: as_share(of_point[key], n) for key, n in shares.items()},
        }
    return found


def calibrate(evaluation: Evaluation) -> dict[str, Any]:
    """Calibration error and Brier score, and the bins behind the first."""

    def statistics(truth: Bools, p: Floats) -> Floats:
        return np.array([metrics.expected_calibration_error(truth, p), metrics.brier(truth, p)])

    ece, brier = measure_rates(evaluation, statistics)
    b = metrics.reliability_bins(evaluation.truth, evaluation.probabilities)
    bins = [
        {"low": low, "high": high, "n": n, "predicted": predicted, "observed": observed}
        for low, high, n, predicted, observed in zip(
            b.edges[:-1].tolist(),
            b.edges[1:].tolist(),
            b.counts.tolist(),
            b.predicted.tolist(),
            b.observed.tolist(),
            strict=True,
        )
        if n
    ]
    return {"ece": ece, "brier": brier, "bins": bins}


def select(evaluation: Evaluation) -> dict[str, Any]:
    """Accuracy on the films farthest from the threshold, and outside each point's band."""
    threshold = evaluation.operating_point.threshold

    def at_coverages(truth: Bools, p: Floats) -> Floats:
        accuracy = selective_accuracy(truth, p, threshold)
        return accuracy[[ceil(share * len(p)) - 1 for share in COVERAGES]]

    n = len(evaluation.files)
    rows = [
        {
            "coverage": share,
            "n": ceil(share * n),
            "accuracy": as_share(accuracy, ceil(share * n)),
        }
        for share, accuracy in zip(COVERAGES, measure_rates(evaluation, at_coverages), strict=True)
    ]
    outside = {}
    for name, point in evaluation.points.items():
        low, high = point.indeterminate or (2.0, 2.0)
        certain = (evaluation.probabilities < low) | (evaluation.probabilities > high)

        def accuracy_of(truth: Bools, p: Floats, at: float = point.threshold) -> Floats:
            return np.array([metrics.confusion(truth, p, at).accuracy])

        (accuracy,) = measure_rates(evaluation, accuracy_of, certain)
        outside[name] = {
            "n": int(certain.sum()),
            "share": float(certain.mean()),
            "accuracy": as_share(accuracy, int(certain.sum())),
        }
    return {"coverage": rows, "outside_band": outside}


def split_by_etiology(evaluation: Evaluation) -> dict[str, Any]:
    """Scores by cause; empty where the data does not name causes beyond normal or not.

    Of each: how many films, their mean probability, the share called pneumonia at each operating
    point (the sensitivity; for the normals 1 - specificity), and the AUROC against the normals.
    """
    causes = np.array(evaluation.etiologies)
    names = [name for name in ("normal", "bacterial", "viral") if (causes == name).any()]
    if not {"bacterial", "viral"} & set(names):
        return {}
    thresholds = {name: point.threshold for name, point in evaluation.points.items()}

    def statistics(_: Bools, p: Floats) -> Floats:
        return np.array([p.mean(), *(np.mean(p >= t) for t in thresholds.values())])

    found = {}
    for name in names:
        radiographs = causes == name
        mean, *called = measure_rates(evaluation, statistics, radiographs)
        n = int(radiographs.sum())
        found[name] = {
            "n": n,
            "mean_probability": mean,
            "called_pneumonia": {
                point: as_share(figure, n) for point, figure in zip(thresholds, called, strict=True)
            },
            "auroc": None
            if name == "normal"
            else measure_rates(evaluation, _auroc, radiographs | ~evaluation.truth)[0],
        }
    return found


def find_worst(evaluation: Evaluation, count: int = WORST) -> list[dict[str, Any]]:
    """The wrong calls farthest from the threshold, in probability; the worst first."""
    p = evaluation.probabilities
    distance = np.abs(p - evaluation.operating_point.threshold)
    wrong = np.flatnonzero(evaluation.predicted != evaluation.labels)
    chosen = wrong[np.argsort(-distance[wrong], kind="stable")][:count]
    return [
        {
            "file": evaluation.files[i],
            "label": ("normal", "pneumonia")[evaluation.labels[i]],
            "probability": float(p[i]),
            "indeterminate": bool(evaluation.indeterminate[i]),
        }
        for i in chosen
    ]


def list_indeterminate(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The films in the band of the operating point in force, called neither by the app."""
    return [
        {
            "file": evaluation.files[i],
            "label": ("normal", "pneumonia")[evaluation.labels[i]],
            "probability": float(evaluation.probabilities[i]),
        }
        for i in np.flatnonzero(evaluation.indeterminate)
    ]


def summarise(found: dict[str, Any]) -> dict[str, Any]:
    """The short form that a card carries: of each measured thing one figure, to four digits."""
    data, tests = found["data"] or {}, found["stress"]
    points = {
        name: {"threshold": point["threshold"]} | {key: _short(point[key]) for key in RATES}
        for name, point in found["discrimination"]["points"].items()
    }
    summary: dict[str, Any] = {
        "data": data.get("folder"),
        "split": data.get("split"),
        "n": found["n"],
        "auroc": _short(found["discrimination"]["auroc"]),
        "auprc": _short(found["discrimination"]["auprc"]),
        "operating_point": found["operating_point"],
        "operating_points": points,
        "ece": _short(found["calibration"]["ece"]),
        "brier": _short(found["calibration"]["brier"]),
        "heat_inside": _short(found["map"]["heat_in_lungs_of_all_pneumonias"]),
        "refused": len(found["refused_by_gate"]),
        "indeterminate": len(found["indeterminate"]),
        "command": found["command"],
    }
    if (classes := found["classes"]) and classes["calibrated"]:  # the app shows nothing else
        summary["classes"] = {"n": classes["n"], "unknown": classes["unknown"]} | {
            key: _short(classes[key]) for key in ("accuracy", "macro_f1", "macro_auroc")
        }
    if tests is not None:
        summary["shortcuts"] = {
            name: _short(test["auroc"]) for name, test in tests["shortcuts"].items()
        }
        summary["robustness"] = {
            name: {key: _short(test[key]) for key in ("auroc", "ece")}
            for name, test in tests["robustness"].items()
        }
    return summary


def _short(figure: dict[str, Any]) -> dict[str, Any]:
    def digits(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {"value": digits(figure["value"]), "ci95": [digits(end) for end in figure["ci95"]]}


def _auroc(truth: Bools, p: Floats) -> Floats:
    return np.array([metrics.auroc(truth, p)])
