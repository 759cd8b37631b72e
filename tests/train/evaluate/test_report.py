"""The files of a report: contents to the digit, and plots that follow the data."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import classification_report as sk_report

from pneumonia.analysis.finding import ModelRef, OperatingPoint
from pneumonia.errors import DataError
from tests.train.evaluate.test_per_class import by_hand, drawn, truth_and_called
from train.evaluate import class_report, report
from train.evaluate.evaluation import Evaluation, Refusal, Source
from train.evaluate.summary import summarise
from train.metrics import Confusion

FILES = [
    "classes.png",
    "classification_report.txt",
    "confusion-normalised.png",
    "confusion.png",
    "metrics.json",
    "predictions.csv",
    "reliability.png",
    "roc.png",
]


def evaluation(seed: int = 0, n: int = 60) -> Evaluation:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3 > 0).astype(np.int64)
    probabilities = np.clip(0.35 * labels + 0.65 * rng.random(n), 0, 1)
    return Evaluation(
        files=tuple(f"test/{i}.jpeg" for i in range(n)),
        patients=tuple(f"patient {i // 2}" for i in range(n)),
        labels=labels,
        probabilities=probabilities,
        indeterminate=(probabilities > 0.45) & (probabilities < 0.55),
        operating_point=OperatingPoint("specificity 0.90", 0.5),
        model=ModelRef("tiny", "ab" * 32),
        source=Source("films", "test", "cd" * 32),
    )


def one_class() -> Evaluation:
    return Evaluation(
        files=("a.png", "b.png"),
        patients=("a", "b"),
        labels=np.zeros(2, np.int64),
        probabilities=np.array([0.125, 0.75]),
        indeterminate=np.zeros(2, np.bool_),
        operating_point=OperatingPoint("youden", 0.5),
        model=ModelRef("tiny", "ab" * 32),
    )


def picture(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def test_the_report_is_eight_files(tmp_path: Path) -> None:
    report.write(evaluation(), tmp_path / "new" / "folder")
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == FILES


def test_metrics_json_is_what_write_returns(tmp_path: Path) -> None:
    returned = report.write(evaluation(), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == returned
    assert returned == summarise(evaluation())


def test_predictions_are_the_true_label_and_the_exact_probability(tmp_path: Path) -> None:
    measured = evaluation()
    report.write(measured, tmp_path)
    text = (tmp_path / "predictions.csv").read_text()
    assert text.startswith("file,label,probability\ntest/0.jpeg,normal,")
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(measured.files)
    assert [row["label"] for row in rows] == [
        "pneumonia" if label else "normal" for label in measured.labels
    ]
    assert [float(row["probability"]) for row in rows] == measured.probabilities.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_the_classification_report_is_scikit_learns(seed: int) -> None:
    measured = evaluation(seed)
    expected = sk_report(
        measured.labels, measured.predicted, target_names=["normal", "pneumonia"], digits=4
    )
    assert class_report.classification_report(measured.counts) == expected


def test_the_classification_report_of_densenet() -> None:
    """The DenseNet-161 paper's figures: accuracy 0.8974 on the 624 films."""
    text = class_report.classification_report(Confusion(tn=181, fp=53, fn=11, tp=379))
    assert "    accuracy                         0.8974       624\n" in text
    assert "   pneumonia     0.8773    0.9718    0.9221       390\n" in text


def test_what_cannot_be_computed_is_said(tmp_path: Path) -> None:
    figures = report.write(one_class(), tmp_path)
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
    measured = replace(evaluation(), refused=(refusal,), refused_by_gate=(refusal, refusal))
    report.write(measured, tmp_path)
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
        report.write(evaluation(), tmp_path / name)
    for name in FILES:
        if name.endswith(".png"):
            first = tmp_path / "one" / name
            assert min(picture(first).shape[:2]) >= 650
            assert first.read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_confusion_plot_is_dark_where_the_radiographs_are(tmp_path: Path) -> None:
    """All normals called pneumonia: the upper right cell is darkest, the upper left empty."""
    measured = replace(one_class(), probabilities=np.array([0.9, 0.9]))
    report.write(measured, tmp_path)
    for name in ("confusion.png", "confusion-normalised.png"):
        image = picture(tmp_path / name).astype(int).sum(axis=2)
        height, width = image.shape
        # A third into each cell, beside the number in its middle.
        upper_left = image[int(height * 0.22), int(width * 0.25)]
        upper_right = image[int(height * 0.22), int(width * 0.85)]
        assert upper_left > 720
        assert upper_right < 250


def test_the_roc_plot_follows_the_scores(tmp_path: Path) -> None:
    """A useless score climbs along the right edge, a good one does not."""
    good = evaluation(n=300)
    report.write(replace(good, probabilities=good.labels * 0.8 + 0.1), tmp_path / "good")
    report.write(replace(good, probabilities=0.9 - good.labels * 0.8), tmp_path / "bad")
    blue = (0xB2, 0x72, 0x00)  # the curve's colour, as BGR
    shares = {}
    for name in ("good", "bad"):
        image = picture(tmp_path / name / "roc.png")
        drawn = np.abs(image.astype(int) - blue).sum(axis=2) < 40
        height, width = drawn.shape
        shares[name] = drawn[height // 5 : height * 3 // 5, width * 9 // 10 :].sum()
    assert shares["good"] == 0
    assert shares["bad"] > 100


def test_without_matplotlib_the_figures_are_written_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="matplotlib"):
        report.write(evaluation(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        name for name in FILES if not name.endswith(".png")
    ]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(DataError, match=r"taken \(File exists\)\. Give another folder\.$"):
        report.write(evaluation(), taken)


# --- three classes -------------------------------------------------------------------------------


def test_three_classes_have_two_plots_more(tmp_path: Path) -> None:
    report.write(by_hand(), tmp_path)
    more = ["confusion-classes-normalised.png", "confusion-classes.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES + more)
    for name in more:
        assert min(picture(tmp_path / name).shape[:2]) >= 800


@pytest.mark.parametrize("seed", range(3))
def test_the_report_of_three_classes_is_scikit_learns(tmp_path: Path, seed: int) -> None:
    measured = drawn(seed)
    report.write(measured, tmp_path)
    truth, called = truth_and_called(measured)
    names = ["normal", "bacterial", "viral"]
    expected = sk_report(truth, called, labels=names, target_names=names, digits=4)
    text = (tmp_path / "classification_report.txt").read_text()
    assert expected in text
    assert "films counted: 90; left out, of unknown cause: 0\n" in text
    # The binary report stands before it, as it always did.
    assert text.startswith(class_report.classification_report(measured.counts))


def test_the_text_of_three_classes_counts_what_is_left_out(tmp_path: Path) -> None:
    report.write(by_hand(), tmp_path)
    text = (tmp_path / "classification_report.txt").read_text()
    assert "\nThree classes, the likeliest of the three is called\n" in text
    assert "\nfilms counted: 10; left out, of unknown cause: 1\n" in text
    assert "bacterial                    0                 3                 1\n" in text
    assert "\nmacro F1        0.5778 (95 % CI " in text
    assert "\nAUROC viral     0.7381 (95 % CI " in text


def test_without_causes_the_report_says_that_classes_were_not_measured(tmp_path: Path) -> None:
    figures = report.write(replace(by_hand(), etiologies=()), tmp_path)
    assert figures["classes"] is None
    text = (tmp_path / "classification_report.txt").read_text()
    assert text.endswith(
        "Three classes: not measured, the data does not say which pneumonias are bacterial and "
        "which viral.\n"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


def test_predictions_of_three_classes_carry_the_class_and_its_probabilities(tmp_path: Path) -> None:
    measured = by_hand()
    report.write(measured, tmp_path)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("file", "label", "probability", "class", "normal", "bacterial", "viral")
    ]
    assert [row["class"] for row in rows] == list(measured.etiologies)
    each = [[float(row[name]) for name in ("normal", "bacterial", "viral")] for row in rows]
    assert each == measured.class_probabilities.tolist()


# --- the history of a run ------------------------------------------------------------------------

HEADER = (
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_auroc,val_sensitivity,"
    "val_specificity,learning_rate,seconds\n"
)


def test_history_draws_loss_and_accuracy(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(
        HEADER
        + "1,0.30,0.80,0.25,0.85,0.91,0.9,0.8,0.001,60\n"
        + "2,0.20,0.90,,0.88,nan,0.9,0.8,0.001,60\n"
        + "3,0.10,0.95,0.15,0.93,0.98,0.9,0.8,0.001,60\n"
    )
    report.plot_history(history, tmp_path / "plots")
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["accuracy.png", "loss.png"]
    before = picture(tmp_path / "plots" / "loss.png")
    assert before.shape == (630, 960, 3)
    history.write_text(history.read_text().replace("3,0.10", "3,0.40"))
    report.plot_history(history, tmp_path / "plots")
    assert (picture(tmp_path / "plots" / "loss.png") != before).any()


def test_history_of_one_epoch_shows_its_points(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(HEADER + "1,0.30,0.80,0.25,0.85,0.91,0.9,0.8,0.001,60\n")
    report.plot_history(history, tmp_path)
    blue = np.abs(picture(tmp_path / "loss.png").astype(int) - (0xB2, 0x72, 0x00)).sum(axis=2) < 40
    rows, _ = np.nonzero(blue[150:, :])  # below the legend
    assert len(rows) > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"history\.csv cannot be read \(No such file or directory\)"),
        (HEADER, "has no epoch yet; train at least one"),
        ("epoch,loss\n1,0.5\n", "has no column train_loss; it has epoch, loss"),
    ],
)
def test_a_history_that_cannot_be_drawn(tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        report.plot_history(tmp_path / "history.csv", tmp_path)
