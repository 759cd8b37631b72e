"""The figures of the evidence report, against hand-computed cases and scikit-learn."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from tests.train.fakes import FakePredictor
from train import perturbations
from train.evaluate import evidence
from train.evaluate.evaluation import Evaluation, Refusal, Source
from train.evaluate.maps import HeatProbe
from train.evaluate.perturbed import PerturbationProbe
from train.metrics import bootstrap, expected_calibration_error, wilson

POINTS = {
    "screening": OperatingPoint("screening", 0.3, (0.2, 0.4)),
    "balanced": OperatingPoint("balanced", 0.5, (0.45, 0.55)),
    "confirming": OperatingPoint("confirming", 0.8),
}
N = 90


def some_evaluation() -> Evaluation:
    """90 films of 45 patients: a third each normal, bacterial and viral; errors of both kinds."""
    rng = np.random.default_rng(3)
    labels = (np.arange(N) % 3 > 0).astype(np.int64)
    probabilities = 0.1 * labels + 0.9 * rng.random(N)
    return Evaluation(
        files=tuple(f"test/{i}.jpeg" for i in range(N)),
        patients=tuple(f"patient {i // 2}" for i in range(N)),
        labels=labels,
        probabilities=probabilities,
        indeterminate=(probabilities >= 0.45) & (probabilities <= 0.55),
        operating_point=POINTS["balanced"],
        operating_points=POINTS,
        etiologies=tuple(("normal", "bacterial", "viral")[i % 3] for i in range(N)),
        model=ModelRef("tiny", "ab" * 32),
        source=Source("films", "test", "cd" * 32),
    )


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return some_evaluation()


@pytest.fixture(scope="module")
def found(measured: Evaluation) -> dict[str, Any]:
    return evidence.measure(measured, some_heat(), some_stress(measured))


def some_heat() -> HeatProbe:
    return HeatProbe(in_lungs=[0.75] * N, lungs=[0.25] * N, drawn=N)


def some_stress(measured: Evaluation) -> PerturbationProbe:
    """As if every alteration pulled the probabilities half-way to one half."""
    probe = PerturbationProbe(FakePredictor(), perturbations.SHORTCUTS | perturbations.ROBUSTNESS)
    for found in probe._found.values():
        found += (measured.probabilities / 2 + 0.25).tolist()
    return probe


def test_discrimination_equals_scikit_learn(measured: Evaluation, found: dict[str, Any]) -> None:
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


def test_intervals_resample_patients(measured: Evaluation, found: dict[str, Any]) -> None:
    interval = bootstrap(
        expected_calibration_error,
        measured.labels,
        measured.probabilities,
        groups=np.array(measured.patients),
    )
    assert tuple(found["calibration"]["ece"]["ci95"]) == interval


def test_a_share_of_all_radiographs_has_wilsons_interval(measured: Evaluation) -> None:
    """Every resample of films that are all right is all right: that is not certainty."""
    perfect = replace(measured, probabilities=0.1 + 0.8 * measured.labels)
    point = evidence.discriminate(perfect)["points"]["balanced"]
    positives, negatives = int(measured.labels.sum()), int((1 - measured.labels).sum())
    assert point["sensitivity"] == {"value": 1, "ci95": list(wilson(positives, positives))}
    assert point["specificity"] == {"value": 1, "ci95": list(wilson(negatives, negatives))}
    assert point["accuracy"]["ci95"] == list(wilson(N, N))


def test_bins_of_the_reliability_plot(measured: Evaluation, found: dict[str, Any]) -> None:
    bins = found["calibration"]["bins"]
    assert sum(b["n"] for b in bins) == N
    gaps = sum(b["n"] * abs(b["predicted"] - b["observed"]) for b in bins) / N
    assert gaps == pytest.approx(found["calibration"]["ece"]["value"])
    for b in bins:
        radiographs = (measured.probabilities > b["low"]) & (measured.probabilities <= b["high"])
        assert radiographs.sum() == b["n"]


def test_accuracy_outside_each_band(measured: Evaluation, found: dict[str, Any]) -> None:
    p, labels = measured.probabilities, measured.labels
    outside = found["selective"]["outside_band"]
    far = (p < 0.2) | (p > 0.4)
    assert outside["screening"]["n"] == far.sum()
    assert outside["screening"]["share"] == pytest.approx(far.mean())
    assert outside["screening"]["accuracy"]["value"] == pytest.approx(
        np.mean((p >= 0.3)[far] == labels[far])
    )
    assert outside["confirming"]["share"] == 1  # it has no band


def test_accuracy_against_coverage(measured: Evaluation, found: dict[str, Any]) -> None:
    rows = {row["coverage"]: row for row in found["selective"]["coverage"]}
    assert [row["n"] for row in rows.values()] == [90, 86, 81, 72, 63, 45]
    right = (measured.probabilities >= 0.5) == measured.labels
    nearest_last = np.argsort(-np.abs(measured.probabilities - 0.5), kind="stable")
    assert rows[1.0]["accuracy"]["value"] == pytest.approx(right.mean())
    assert rows[0.5]["accuracy"]["value"] == pytest.approx(right[nearest_last[:45]].mean())


def test_scores_by_cause(measured: Evaluation, found: dict[str, Any]) -> None:
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


def test_data_that_names_no_cause_has_no_such_figures(measured: Evaluation) -> None:
    unnamed = tuple("normal" if cause == "normal" else "" for cause in measured.etiologies)
    assert evidence.split_by_etiology(replace(measured, etiologies=unnamed)) == {}


def test_the_worst_errors_are_the_most_confident(
    measured: Evaluation, found: dict[str, Any]
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
    assert len(evidence.find_worst(measured, count=3)) == 3


def test_doubtful_and_refused_radiographs_are_listed(measured: Evaluation) -> None:
    refusal = Refusal("test/0.jpeg", "film_too_flat", "The image is blank.")
    listed = evidence.measure(replace(measured, refused_by_gate=(refusal,)), some_heat(), None)
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


def test_a_quick_report_says_so(measured: Evaluation) -> None:
    quick = evidence.measure(measured, some_heat(), None)
    assert quick["stress"] is None
    assert quick["command"] == "flask evaluate --data films --split test --model tiny --quick"
    assert "shortcuts" not in quick["summary"]
    assert evidence.command(replace(measured, source=None), quick=True) is None


def test_one_class_and_one_radiograph_give_valid_json(measured: Evaluation) -> None:
    one = replace(
        measured,
        files=("a.png",),
        patients=("a",),
        labels=np.zeros(1, np.int64),
        probabilities=np.array([0.2]),
        indeterminate=np.zeros(1, np.bool_),
        etiologies=("normal",),
    )
    probe = PerturbationProbe(FakePredictor(), perturbations.SHORTCUTS | perturbations.ROBUSTNESS)
    for name, values in probe._found.items():
        values.append(np.nan if name == "only the lungs" else 0.2)
    found = evidence.measure(one, HeatProbe([np.nan], [np.nan]), probe)
    json.dumps(found, allow_nan=False)
    assert found["discrimination"]["auroc"]["value"] is None
    assert found["discrimination"]["points"]["balanced"]["mcc"]["value"] is None
    assert found["stress"]["shortcuts"]["only the lungs"]["n"] == 0
    assert found["stress"]["shortcuts"]["only the lungs"]["median_change"] is None
