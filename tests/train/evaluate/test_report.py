"""The figures of an evaluation report, against hand-computed cases and scikit-learn."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from pneumonia.monitoring.wilson import wilson
from tests.train.evaluate.builders import POINTS, N, reported, some_predictions, whole_report
from tests.train.fakes import FakePredictor
from train import perturbations
from train.evaluate import text
from train.evaluate.perturbed import PerturbationProbe, Perturbations
from train.evaluate.predictions import Predictions, Refusal
from train.metrics import bootstrap, expected_calibration_error


@pytest.fixture(scope="module")
def measured() -> Predictions:
    return some_predictions()


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return whole_report().evidence()


def test_discrimination_equals_scikit_learn(measured: Predictions, found: dict[str, Any]) -> None:
    figures = found["discrimination"]
    labels, p = measured.labels, measured.probabilities
    assert figures["auroc"]["value"] == pytest.approx(sk.roc_auc_score(labels, p))
    assert figures["auprc"]["value"] == pytest.approx(sk.average_precision_score(labels, p))
    assert list(figures["points"]) == ["screening", "balanced", "confirming"]
    for name, point in figures["points"].items():
        called = p >= POINTS[name].threshold
        assert point["threshold"] == POINTS[name].threshold
        assert point["confusion"] == sk.confusion_matrix(labels, called).tolist()
        assert point["accuracy"]["value"] == pytest.approx(sk.accuracy_score(labels, called))
        assert point["sensitivity"]["value"] == pytest.approx(sk.recall_score(labels, called))
        assert point["f1"]["value"] == pytest.approx(sk.f1_score(labels, called))
        assert point["mcc"]["value"] == pytest.approx(sk.matthews_corrcoef(labels, called))
        for rate in ("accuracy", "sensitivity", "specificity", "f1", "mcc"):
            low, high = point[rate]["ci95"]
            assert low < point[rate]["value"] < high


def test_intervals_resample_patients(measured: Predictions, found: dict[str, Any]) -> None:
    interval = bootstrap(
        expected_calibration_error,
        measured.labels,
        measured.probabilities,
        groups=np.array(measured.patients),
    )
    assert tuple(found["calibration"]["ece"]["ci95"]) == interval


def test_a_share_of_all_radiographs_has_wilsons_interval(measured: Predictions) -> None:
    """Every resample of films that are all right is all right: that is not certainty."""
    perfect = replace(measured, probabilities=0.1 + 0.8 * measured.labels)
    point = reported(perfect).evidence()["discrimination"]["points"]["balanced"]
    positives, negatives = int(measured.labels.sum()), int((1 - measured.labels).sum())
    assert point["sensitivity"] == {"value": 1, "ci95": list(wilson(positives, positives))}
    assert point["specificity"] == {"value": 1, "ci95": list(wilson(negatives, negatives))}
    assert point["accuracy"]["ci95"] == list(wilson(N, N))


def test_bins_of_the_reliability_plot(measured: Predictions, found: dict[str, Any]) -> None:
    bins = found["calibration"]["bins"]
    assert sum(b["n"] for b in bins) == N
    gaps = sum(b["n"] * abs(b["predicted"] - b["observed"]) for b in bins) / N
    assert gaps == pytest.approx(found["calibration"]["ece"]["value"])
    for b in bins:
        radiographs = (measured.probabilities > b["low"]) & (measured.probabilities <= b["high"])
        assert radiographs.sum() == b["n"]


def test_accuracy_outside_each_band(measured: Predictions, found: dict[str, Any]) -> None:
    p, labels = measured.probabilities, measured.labels
    outside = found["selective"]["outside_band"]
    far = (p < 0.2) | (p > 0.4)
    assert outside["screening"]["n"] == far.sum()
    assert outside["screening"]["share"] == pytest.approx(far.mean())
    assert outside["screening"]["accuracy"]["value"] == pytest.approx(
        np.mean((p >= 0.3)[far] == labels[far])
    )
    assert outside["confirming"]["share"] == 1  # it has no band


def test_accuracy_against_coverage(measured: Predictions, found: dict[str, Any]) -> None:
    rows = {row["coverage"]: row for row in found["selective"]["coverage"]}
    assert [row["n"] for row in rows.values()] == [90, 86, 81, 72, 63, 45]
    right = (measured.probabilities >= 0.5) == measured.labels
    nearest_last = np.argsort(-np.abs(measured.probabilities - 0.5), kind="stable")
    assert rows[1.0]["accuracy"]["value"] == pytest.approx(right.mean())
    assert rows[0.5]["accuracy"]["value"] == pytest.approx(right[nearest_last[:45]].mean())


def test_scores_by_cause(measured: Predictions, found: dict[str, Any]) -> None:
    causes = np.array(measured.etiologies)
    assert list(found["etiology"]) == ["normal", "bacterial", "viral"]
    assert [cause["n"] for cause in found["etiology"].values()] == [30, 30, 30]
    viral, p = found["etiology"]["viral"], measured.probabilities
    assert viral["mean_probability"]["value"] == pytest.approx(p[causes == "viral"].mean())
    assert viral["called_pneumonia"]["confirming"]["value"] == pytest.approx(
        np.mean(p[causes == "viral"] >= 0.8)
    )
    pair = np.isin(causes, ("normal", "viral"))
    assert viral["auroc"]["value"] == pytest.approx(
        sk.roc_auc_score(measured.labels[pair], p[pair])
    )
    assert found["etiology"]["normal"]["auroc"] is None


def test_data_that_names_no_cause_has_no_such_figures(measured: Predictions) -> None:
    unnamed = tuple("normal" if cause == "normal" else "" for cause in measured.etiologies)
    assert reported(replace(measured, etiologies=unnamed)).evidence()["etiology"] == {}


def test_the_worst_errors_are_the_most_confident(
    measured: Predictions, found: dict[str, Any]
) -> None:
    worst = found["worst"]
    called = (measured.probabilities >= 0.5).astype(int)
    wrong = [i for i in range(N) if called[i] != measured.labels[i]]
    assert len(worst) == min(12, len(wrong))
    distances = [abs(one["probability"] - 0.5) for one in worst]
    assert distances == sorted(distances, reverse=True)
    assert {one["file"] for one in worst} <= {measured.files[i] for i in wrong}
    assert distances[0] == max(abs(measured.probabilities[i] - 0.5) for i in wrong)
    for one in worst:
        assert (one["label"] == "normal") == (one["probability"] >= 0.5)


def test_doubtful_and_refused_radiographs_are_listed(measured: Predictions) -> None:
    refusal = Refusal("test/0.jpeg", "film_too_flat", "The image is blank.")
    listed = reported(replace(measured, refused_by_gate=(refusal,))).evidence()
    assert listed["refused_by_gate"] == [
        {"file": "test/0.jpeg", "code": "film_too_flat", "reason": "The image is blank."}
    ]
    doubtful = listed["indeterminate"]
    assert len(doubtful) == measured.indeterminate.sum() > 0
    assert all(0.45 <= radiograph["probability"] <= 0.55 for radiograph in doubtful)
    assert listed["summary"]["refused"] == 1
    assert listed["n"] == N


def test_the_summary_is_what_a_card_carries(found: dict[str, Any]) -> None:
    summary = found["summary"]
    assert list(summary) == [
        *("data", "split", "n", "auroc", "auprc", "operating_point", "operating_points"),
        *("ece", "brier", "heat_inside", "refused", "indeterminate", "command"),
        *("shortcuts", "robustness"),
    ]
    assert (summary["data"], summary["split"], summary["n"]) == ("films", "test", N)
    auroc = found["discrimination"]["auroc"]
    assert summary["auroc"]["value"] == round(auroc["value"], 4)
    assert summary["auroc"]["ci95"] == [round(end, 4) for end in auroc["ci95"]]
    assert summary["heat_inside"]["value"] == 0.75
    assert summary["operating_points"]["screening"]["threshold"] == 0.3
    assert list(summary["shortcuts"]) == list(perturbations.SHORTCUTS)
    # The order of the films has not changed, so the ranking is the same.
    assert summary["shortcuts"]["lungs blacked out"] == summary["auroc"]
    assert list(summary["robustness"]["jpeg 30"]) == ["auroc", "ece"]
    assert summary["robustness"]["jpeg 30"]["ece"] != summary["ece"]
    assert summary["command"] == "flask evaluate --data films --split test --model tiny"


def test_a_quick_report_says_so(measured: Predictions) -> None:
    quick = reported(measured).evidence()
    assert quick["perturbations"] is None
    assert quick["command"] == "flask evaluate --data films --split test --model tiny --quick"
    assert "shortcuts" not in quick["summary"]
    assert reported(replace(measured, source=None)).command is None


def test_one_class_and_one_radiograph_give_valid_json(measured: Predictions) -> None:
    one = replace(
        measured,
        files=("a.png",),
        patients=("a",),
        labels=np.zeros(1, np.int64),
        probabilities=np.array([0.2]),
        logits=np.array([0.0]),
        indeterminate=np.zeros(1, np.bool_),
        etiologies=("normal",),
    )
    probe = PerturbationProbe(FakePredictor(), perturbations.SHORTCUTS | perturbations.ROBUSTNESS)
    for name, values in probe._found.items():
        values.append(np.nan if name == "only the lungs" else 0.2)
    tests = Perturbations.of(one, probe)
    found = replace(reported(one), perturbations=tests).evidence()
    json.dumps(found, allow_nan=False)
    assert found["discrimination"]["auroc"]["value"] is None
    assert found["discrimination"]["points"]["balanced"]["mcc"]["value"] is None
    assert found["perturbations"]["shortcuts"]["only the lungs"]["n"] == 0
    assert found["perturbations"]["shortcuts"]["only the lungs"]["median_change"] is None


def test_metrics_and_evidence_are_views_of_one_report() -> None:
    report = whole_report()
    metrics, evidence = report.metrics(), report.evidence()
    point = evidence["discrimination"]["points"]["balanced"]
    for name in ("accuracy", "sensitivity", "specificity", "precision", "f1", "confusion"):
        assert metrics[name] == point[name]
    assert metrics["auc"] == evidence["discrimination"]["auroc"]
    assert (metrics["ece"], metrics["brier"]) == (
        evidence["calibration"]["ece"],
        evidence["calibration"]["brier"],
    )
    assert metrics["indeterminate"] == len(evidence["indeterminate"])
    for name in ("n", "patients", "model", "data", "command", "refused", "refused_by_gate"):
        assert metrics[name] == evidence[name]


def test_sources_and_populations_stand_with_the_worst_first(measured: Predictions) -> None:
    sources = tuple("near" if i % 2 else "far" for i in range(N))
    wrong = measured.truth & (np.array(sources) == "far")
    predictions = replace(
        measured,
        probabilities=np.where(wrong, 0.1, measured.truth * 0.8 + 0.1),
        sources=sources,
        populations=("adult",) * N,
    )
    report = reported(predictions)
    assert list(report.sources) == ["far", "near"]
    far, near = report.sources.values()
    assert (far.sensitivity.value, near.sensitivity.value) == (0, 1)
    assert far.normal + far.pneumonia == near.normal + near.pneumonia == N // 2
    assert near.auroc.value == 1
    assert list(report.populations) == ["adult"]
    assert report.populations["adult"].sensitivity.value == report.at.rates.sensitivity.value
    assert report.summary()["sources"]["far"]["normal"] == far.normal


def test_of_each_source_the_errors_outside_the_band(measured: Predictions) -> None:
    truth = measured.truth
    point = replace(measured.operating_point, threshold=0.5, indeterminate=(0.4, 0.6))
    probabilities = np.where(truth, 0.9, 0.1)
    pneumonias, normals = np.flatnonzero(truth), np.flatnonzero(~truth)
    probabilities[pneumonias[:6]] = 0.2  # missed
    probabilities[pneumonias[6:9]] = 0.45  # called neither
    probabilities[normals[:2]] = 0.8  # false alarms
    predictions = replace(
        measured,
        probabilities=probabilities,
        indeterminate=(probabilities >= 0.4) & (probabilities <= 0.6),
        operating_point=point,
        operating_points={},
        sources=("ward",) * N,
    )
    report = reported(predictions)
    ward = report.sources["ward"]
    assert ward.missed.value == pytest.approx(6 / len(pneumonias))
    assert ward.false_alarms.value == pytest.approx(2 / len(normals))
    assert ward.answered.value == pytest.approx(1 - 3 / N)
    assert ward.sensitivity.value == pytest.approx(1 - 9 / len(pneumonias))
    head, line = text.summary(report).splitlines()[-2:]
    assert head.split()[-4:] == ["answered", "missed", "false", "alarms"]
    shown = [f"{one.value:.4f}" for one in (ward.answered, ward.missed, ward.false_alarms)]
    assert line.split()[-3:] == shown


def test_a_source_of_one_class_has_no_auroc(measured: Predictions) -> None:
    sources = tuple("ward" if truth else "" for truth in measured.truth)
    (ward,) = reported(replace(measured, sources=sources)).sources.values()
    assert (ward.normal, ward.pneumonia) == (0, 60)
    assert np.isnan(ward.auroc.value)
    assert np.isnan(ward.specificity.value)
