"""Figures of three classes, against numbers counted by hand and against scikit-learn."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from pneumonia.analysis.finding import THREE_CLASSES
from tests.train.evaluate.builders import by_hand, reported, some_predictions
from train.evaluate.classes import ClassPredictions, ThreeClasses
from train.evaluate.predictions import Predictions
from train.evaluate.report import as_json


def measure(predictions: Predictions) -> dict[str, Any] | None:
    return as_json(ThreeClasses.of(predictions))


def drawn(seed: int = 3) -> Predictions:
    """90 films of 45 patients, a third of each class, told somewhat better than by chance."""
    measured = some_predictions()
    rng = np.random.default_rng(seed)
    is_viral = np.array([cause == "viral" for cause in measured.etiologies])
    return replace(measured, viral=0.3 * is_viral + 0.7 * rng.random(len(is_viral)))


def truth_and_called(measured: Predictions) -> tuple[list[str], list[str]]:
    probabilities = measured.class_probabilities
    return list(measured.etiologies), [THREE_CLASSES[i] for i in probabilities.argmax(axis=1)]


def test_the_three_probabilities_are_the_product_of_the_two_steps() -> None:
    probabilities = by_hand().class_probabilities
    assert probabilities[0] == pytest.approx([0.9, 0.05, 0.05])
    assert probabilities[6] == pytest.approx([0.1, 0.09, 0.81])
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(11))


def test_the_figures_counted_by_hand() -> None:
    found = measure(by_hand())
    assert found["names"] == ["normal", "bacterial", "viral"]
    assert (found["n"], found["unknown"]) == (10, 1)
    assert found["confusion"] == [[2, 1, 0], [0, 3, 1], [1, 1, 1]]
    assert found["accuracy"]["value"] == pytest.approx(0.6)
    expected = {  # support, precision, recall, f1
        "normal": (3, 2 / 3, 2 / 3, 2 / 3),
        "bacterial": (4, 3 / 5, 3 / 4, 2 / 3),
        "viral": (3, 1 / 2, 1 / 3, 2 / 5),
    }
    for name, (support, precision, recall, f1) in expected.items():
        figures = found["per_class"][name]
        assert figures["support"] == support
        assert figures["precision"]["value"] == pytest.approx(precision)
        assert figures["recall"]["value"] == pytest.approx(recall)
        assert figures["f1"]["value"] == pytest.approx(f1)
    low, high = found["per_class"]["bacterial"]["recall"]["ci95"]
    assert 0 <= low < 3 / 4 < high <= 1
    assert found["macro_f1"]["value"] == pytest.approx((2 / 3 + 2 / 3 + 2 / 5) / 3)
    # Of viral 0.18, 0.27 and 0.72 against 0.05, 0.1, 0.09, 0.18, 0.08, 0.4 and 0.81: (4.5 + 5 + 6)
    # of 21 pairs are in order, a tie counting one half.
    assert found["per_class"]["viral"]["auroc"]["value"] == pytest.approx(15.5 / 21)
    areas = [found["per_class"][name]["auroc"]["value"] for name in THREE_CLASSES]
    assert found["macro_auroc"]["value"] == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_scikit_learns(seed: int) -> None:
    measured = drawn(seed)
    found = measure(measured)
    truth, called = truth_and_called(measured)
    assert found["macro_f1"]["value"] == pytest.approx(sk.f1_score(truth, called, average="macro"))
    assert found["accuracy"]["value"] == pytest.approx(sk.accuracy_score(truth, called))
    assert found["confusion"] == sk.confusion_matrix(truth, called, labels=THREE_CLASSES).tolist()
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, called, labels=THREE_CLASSES
    )
    for i, name in enumerate(THREE_CLASSES):
        figures = found["per_class"][name]
        assert figures["support"] == support[i]
        assert figures["precision"]["value"] == pytest.approx(precision[i])
        assert figures["recall"]["value"] == pytest.approx(recall[i])
        assert figures["f1"]["value"] == pytest.approx(f1[i])
        one = [cause == name for cause in truth]
        area = sk.roc_auc_score(one, measured.class_probabilities[:, i])
        assert figures["auroc"]["value"] == pytest.approx(area)
    mean = sk.roc_auc_score(
        [THREE_CLASSES.index(t) for t in truth], measured.class_probabilities, multi_class="ovr"
    )
    assert found["macro_auroc"]["value"] == pytest.approx(mean)


def test_every_interval_holds_its_figure_and_patients_are_resampled() -> None:
    measured = drawn()
    found = measure(measured)
    figures = [found["macro_f1"], found["macro_auroc"]]
    figures += [found["per_class"][name][key] for name in THREE_CLASSES for key in ("f1", "auroc")]
    for figure in figures:
        low, high = figure["ci95"]
        assert 0 < low < figure["value"] < high < 1
    one = measure(replace(measured, patients=("the only one",) * 90))
    value = one["macro_f1"]["value"]
    assert one["macro_f1"]["ci95"] == [value, value]


def test_radiographs_of_unknown_cause_change_nothing_but_their_count() -> None:
    measured = by_hand()
    ten = replace(
        measured,
        files=measured.files[:10],
        patients=measured.patients[:10],
        labels=measured.labels[:10],
        probabilities=measured.probabilities[:10],
        logits=measured.logits[:10],
        indeterminate=measured.indeterminate[:10],
        viral=measured.viral[:10],
        etiologies=measured.etiologies[:10],
    )
    found = measure(measured)
    assert measure(ten) == found | {"unknown": 0}
    assert reported(measured).metrics()["n"] == 11  # the binary figures leave nothing out


def test_two_equally_likely_classes_are_the_first_of_them() -> None:
    told = ClassPredictions(np.array([2, 0]), np.array([[0.2, 0.4, 0.4], [0.5, 0.5, 0.0]]))
    assert told.called.tolist() == [1, 0]
    assert told.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_class_without_radiographs_has_no_part_in_the_averages() -> None:
    measured = by_hand()
    without = replace(
        measured, etiologies=tuple("" if e == "viral" else e for e in measured.etiologies)
    )
    found = measure(without)
    assert found["per_class"]["viral"]["support"] == 0
    nothing = {"value": None, "ci95": [None, None]}
    assert found["per_class"]["viral"]["auroc"] == nothing
    assert found["per_class"]["viral"]["recall"] == nothing
    each = [found["per_class"][name]["f1"]["value"] for name in ("normal", "bacterial")]
    assert found["macro_f1"]["value"] == pytest.approx(np.mean(each))
    json.dumps(found, allow_nan=False)


def test_there_is_nothing_to_measure_in_two_classes_or_without_causes() -> None:
    measured = by_hand()
    assert measure(replace(measured, viral=None)) is None
    assert measure(replace(measured, etiologies=())) is None
    unknown = tuple("normal" if e == "normal" else "" for e in measured.etiologies)
    assert measure(replace(measured, etiologies=unknown)) is None
