"""One assessment, from films to the files of its report."""

import json
from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DataError
from pneumonia.imaging.lungs import Lungs
from tests.train.fakes import FakePredictor
from train.data.manifest import Row, load
from train.evaluate.evaluate import assess
from train.evaluate.predictions import Source
from train.perturbations import ROBUSTNESS, SHORTCUTS

SOURCE = Source("films", "train", "cd" * 32)


@pytest.fixture(scope="module")
def rows(radiographs: Path) -> tuple[Row, ...]:
    return load(radiographs).rows[24:36]  # normals and pneumonias


def predictor() -> FakePredictor:
    return FakePredictor(Lungs(np.ones((32, 32), np.float32)), np.ones((1, 1), np.float32))


def test_the_report_is_whole(rows, tmp_path, listener) -> None:
    report = assess(predictor(), rows, SOURCE, tmp_path, listener, batch_size=5)
    figures, evidence = report.metrics(), report.evidence()
    plots = (
        *("classes", "confusion", "coverage", "perturbations"),
        *("precision-recall", "reliability", "roc"),
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        *("classification_report.txt", "evidence.html", "evidence.json", "examples.png"),
        *("metrics.json", "predictions.csv"),
        *(f"{name}.{kind}" for name in plots for kind in ("png", "svg")),
    }
    assert json.loads((tmp_path / "metrics.json").read_text()) == figures
    assert json.loads((tmp_path / "evidence.json").read_text()) == evidence
    assert listener.bars == {
        "films": len(rows),
        "altered films": len(rows) * len(SHORTCUTS | ROBUSTNESS),
    }
    assert evidence["n"] == figures["n"] == 12
    assert evidence["map"]["heat_in_lungs_of_all_pneumonias"]["value"] == 1
    # Each wrong film is there twice, as it is and painted.
    page = (tmp_path / "evidence.html").read_text()
    (tn, fp), (fn, tp) = figures["confusion"]
    assert tn + fp == fn + tp == 6
    assert page.count("data:image/jpeg;base64,") == 2 * (fp + fn) > 0


def test_a_bundle_of_three_classes_is_reported_whole(
    rows, etiology_bundle, tmp_path, listener
) -> None:
    own = Predictor.load(etiology_bundle, "cpu", engine="torch")
    report = assess(own, rows, SOURCE, tmp_path, listener, quick=True)
    figures, evidence = report.metrics(), report.evidence()
    assert (tmp_path / "confusion-classes.png").is_file()
    classes = figures["classes"]
    # The films here are normal or viral, none is bacterial.
    support = {name: one["support"] for name, one in classes["per_class"].items()}
    assert support == {"normal": 6, "bacterial": 0, "viral": 6}
    assert evidence["classes"] == classes
    assert evidence["summary"]["classes"].keys() == {
        *("n", "unknown", "accuracy", "macro_f1", "macro_auroc")
    }
    assert "Each class against the other two" in (tmp_path / "evidence.html").read_text()


def test_the_same_radiographs_give_the_same_report(rows, tmp_path, listener) -> None:
    for name in ("one", "two"):
        assess(predictor(), rows, SOURCE, tmp_path / name, listener, batch_size=7)
    for name in ("evidence.json", "evidence.html", "perturbations.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_quick_one_reads_each_radiograph_once(rows, tmp_path, listener) -> None:
    quick = predictor()
    report = assess(quick, rows, SOURCE, tmp_path, listener, quick=True)
    assert listener.bars == {"films": 12}
    assert sum(quick.batches) == 12 + len(report.worst)
    assert report.perturbations is None


def test_a_folder_that_is_a_file_is_refused(rows, tmp_path, listener) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(DataError, match=r"taken \(File exists\)\. Give another folder\.$"):
        assess(predictor(), rows, SOURCE, taken, listener, quick=True)
