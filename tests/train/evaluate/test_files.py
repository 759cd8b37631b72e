"""The files of a report: contents to the digit, and plots that follow the data."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.metrics import classification_report as sk_report

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from pneumonia.errors import DataError
from tests.train.evaluate.builders import by_hand, reported
from tests.train.evaluate.test_classes import drawn, truth_and_called
from train.evaluate import files
from train.evaluate import text as text_of
from train.evaluate.examples import Example
from train.evaluate.predictions import Predictions, Refusal, Source
from train.metrics import Confusion

PLOTS = ("classes", "confusion", "coverage", "precision-recall", "reliability", "roc")
FILES = sorted(
    ["classification_report.txt", "examples.png", "metrics.json", "predictions.csv"]
    + [f"{name}.{kind}" for name in PLOTS for kind in ("png", "svg")]
)
EXAMPLE = Example(np.zeros((20, 20), np.uint8), "normal", "normal", 0.9)


def write(predictions: Predictions, out: Path) -> dict[str, Any]:
    report = reported(predictions)
    files.write_figures(report, [EXAMPLE], out)
    return report.metrics()


def predictions(seed: int = 0, n: int = 60) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3 > 0).astype(np.int64)
    probabilities = np.clip(0.35 * labels + 0.65 * rng.random(n), 0, 1)
    return Predictions(
        files=tuple(f"test/{i}.jpeg" for i in range(n)),
        patients=tuple(f"patient {i // 2}" for i in range(n)),
        labels=labels,
        probabilities=probabilities,
        logits=np.zeros(n),
        indeterminate=(probabilities > 0.45) & (probabilities < 0.55),
        operating_point=OperatingPoint("specificity 0.90", 0.5),
        model=ModelRef("tiny", "ab" * 32),
        source=Source("films", "test", "cd" * 32),
    )


def one_class() -> Predictions:
    return Predictions(
        files=("a.png", "b.png"),
        patients=("a", "b"),
        labels=np.zeros(2, np.int64),
        probabilities=np.array([0.125, 0.75]),
        logits=np.zeros(2),
        indeterminate=np.zeros(2, np.bool_),
        operating_point=OperatingPoint("youden", 0.5),
        model=ModelRef("tiny", "ab" * 32),
    )


def picture(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def test_every_plot_is_there_as_png_and_svg(tmp_path: Path) -> None:
    write(predictions(), tmp_path / "new" / "folder")
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == FILES


def test_metrics_json_is_the_reports_view(tmp_path: Path) -> None:
    expected = write(predictions(), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == expected


def test_predictions_are_the_true_label_and_the_exact_probability(tmp_path: Path) -> None:
    measured = predictions()
    write(measured, tmp_path)
    text = (tmp_path / "predictions.csv").read_text()
    assert text.startswith(
        "file,label,probability,logit,patient,source,population\ntest/0.jpeg,normal,"
    )
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(measured.files)
    assert [row["label"] for row in rows] == [
        "pneumonia" if label else "normal" for label in measured.labels
    ]
    assert [float(row["probability"]) for row in rows] == measured.probabilities.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_the_classification_report_is_scikit_learns(seed: int) -> None:
    measured = predictions(seed)
    expected = sk_report(
        measured.labels, measured.predicted, target_names=["normal", "pneumonia"], digits=4
    )
    assert text_of.classification_report(measured.counts) == expected


def test_the_classification_report_of_densenet() -> None:
    """The DenseNet-161 paper's figures: accuracy 0.8974 on the 624 films."""
    text = text_of.classification_report(Confusion(tn=181, fp=53, fn=11, tp=379))
    assert "    accuracy                         0.8974       624\n" in text
    assert "   pneumonia     0.8773    0.9718    0.9221       390\n" in text


def test_what_cannot_be_computed_is_said(tmp_path: Path) -> None:
    figures = write(one_class(), tmp_path)
    assert figures["auc"] == {"value": None, "ci95": [None, None]}
    assert figures["sensitivity"] == {"value": None, "ci95": [None, None]}
    assert figures["confusion"] == [[1, 1], [0, 0]]
    text = (tmp_path / "classification_report.txt").read_text()
    assert "   pneumonia     0.0000       n/a    0.0000         0\n" in text
    assert "   macro avg     1.0000    0.5000    0.6667         2\n" in text
    assert "auc         n/a\n" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


def test_the_summary_names_model_data_and_what_was_left_out(tmp_path: Path) -> None:
    refusal = Refusal("test/x.jpeg", "damaged_image", "The file is cut short.")
    measured = replace(predictions(), refused=(refusal,), refused_by_gate=(refusal, refusal))
    write(measured, tmp_path)
    text = (tmp_path / "classification_report.txt").read_text()
    indeterminate = int(measured.indeterminate.sum())
    assert f"model tiny (weights SHA-256 {'ab' * 32})" in text
    assert f"data films, split test (SHA-256 {'cd' * 32})" in text
    assert (
        f"60 films of 30 patients scored; {indeterminate} in the indeterminate band; "
        "1 could not be decoded; 2 scored though the app would refuse them" in text
    )
    assert "flask evaluate --data films --split test --model tiny --on-bad-image skip" in text


def test_plots_are_large_enough_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(predictions(), tmp_path / name)
    for name in FILES:
        first = tmp_path / "one" / name
        assert first.read_bytes() == (tmp_path / "two" / name).read_bytes()
    for name in PLOTS:
        assert min(picture(tmp_path / "one" / f"{name}.png").shape[:2]) >= 625


def test_the_confusion_plot_is_dark_where_the_radiographs_are(tmp_path: Path) -> None:
    """All normals called pneumonia: the upper right cell is darkest, the upper left empty."""
    measured = replace(one_class(), probabilities=np.array([0.9, 0.9]))
    write(measured, tmp_path)
    image = picture(tmp_path / "confusion.png").astype(int).sum(axis=2)
    height, width = image.shape
    # A third into each cell, beside the number in its middle.
    upper_left = image[int(height * 0.22), int(width * 0.25)]
    upper_right = image[int(height * 0.22), int(width * 0.85)]
    assert upper_left > 720
    assert upper_right < 250


def test_the_roc_plot_follows_the_scores(tmp_path: Path) -> None:
    """A useless score climbs along the right edge, a good one does not."""
    good = predictions(n=300)
    write(replace(good, probabilities=good.labels * 0.8 + 0.1), tmp_path / "good")
    write(replace(good, probabilities=0.9 - good.labels * 0.8), tmp_path / "bad")
    blue = (0xB2, 0x72, 0x00)  # the curve's colour, as BGR
    shares = {}
    for name in ("good", "bad"):
        image = picture(tmp_path / name / "roc.png")
        drawn = np.abs(image.astype(int) - blue).sum(axis=2) < 40
        height, width = drawn.shape
        shares[name] = drawn[height // 5 : height * 3 // 5, width * 9 // 10 :].sum()
    assert shares["good"] == 0
    assert shares["bad"] > 100


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(DataError, match=r"taken \(File exists\)\. Give another folder\.$"):
        write(predictions(), taken)


# --- three classes -------------------------------------------------------------------------------


def test_three_classes_have_a_plot_more(tmp_path: Path) -> None:
    write(by_hand(), tmp_path)
    more = ["confusion-classes.png", "confusion-classes.svg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES + more)
    assert min(picture(tmp_path / "confusion-classes.png").shape[:2]) >= 800


@pytest.mark.parametrize("seed", range(3))
def test_the_report_of_three_classes_is_scikit_learns(tmp_path: Path, seed: int) -> None:
    measured = drawn(seed)
    write(measured, tmp_path)
    truth, called = truth_and_called(measured)
    names = ["normal", "bacterial", "viral"]
    expected = sk_report(truth, called, labels=names, target_names=names, digits=4)
    text = (tmp_path / "classification_report.txt").read_text()
    assert expected in text
    assert "films counted: 90; left out, of unknown cause: 0\n" in text
    # The binary report stands before it, as it always did.
    assert text.startswith(text_of.classification_report(measured.counts))


def test_the_text_of_three_classes_counts_what_is_left_out(tmp_path: Path) -> None:
    write(by_hand(), tmp_path)
    text = (tmp_path / "classification_report.txt").read_text()
    assert "\nThree classes, the likeliest of the three is called\n" in text
    assert "\nfilms counted: 10; left out, of unknown cause: 1\n" in text
    assert "bacterial                    0                 3                 1\n" in text
    assert "\nmacro F1        0.5778 (95 % CI " in text
    assert "\nAUROC viral     0.7381 (95 % CI " in text


def test_without_causes_the_report_says_that_classes_were_not_measured(tmp_path: Path) -> None:
    figures = write(replace(by_hand(), etiologies=()), tmp_path)
    assert figures["classes"] is None
    text = (tmp_path / "classification_report.txt").read_text()
    assert text.endswith(
        "Three classes: not measured, the data does not say which pneumonias are bacterial and "
        "which viral.\n"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


def test_predictions_of_three_classes_carry_the_class_and_its_probabilities(tmp_path: Path) -> None:
    measured = by_hand()
    write(measured, tmp_path)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("file", "label", "probability", "logit", "patient", "source", "population"),
        *("class", "normal", "bacterial", "viral"),
    ]
    assert [row["class"] for row in rows] == list(measured.etiologies)
    each = [[float(row[name]) for name in ("normal", "bacterial", "viral")] for row in rows]
    assert each == measured.class_probabilities.tolist()
