"""A network that learns nothing has no bundle; what its history says of it is shown."""

import csv
from pathlib import Path

import pytest

from tests.train.conftest import Listener
from tests.train.small import write_recipe
from train.data import manifest
from train.loop import run
from train.research.comparison import plan, report
from train.research.comparison.comparison import Comparison
from train.research.comparison.record import Record
from train.research.comparison.row import Row

# Rates too small to move a weight: this network begins with the films in the wrong order.
PLAN = """\
[[entry]]
name = "idle"
recipe = "{small}"
note = "at rest"
[entry.set]
network.hidden = [8]
training = {{ epochs = 1, batch_size = 10 }}
optimiser = {{ learning_rate = 1e-30, new_layer_rate = 1e-30, head_rate = 1e-30 }}
"""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, radiographs) -> Comparison:
    base = tmp_path_factory.mktemp("idle")
    (base / "plan.toml").write_text(PLAN.format(small=write_recipe(base)))
    entries = plan.load(base / "plan.toml", "none")
    options = run.Options(data=str(radiographs), out="", device="cpu")
    found = Comparison(entries, manifest.load(radiographs), options, base / "runs", rounds=1)
    first = Listener()
    assert len(list(found.run(first))) == 2
    assert any("idle, paper] not calibrated: The network has learnt" in w for w in first.warnings)
    assert not any("tried again" in words for words in first.warnings)
    return found


def row_of(comparison: Comparison) -> Row:
    ((paper, patient),) = comparison.results()
    return Row(paper, patient, has_test=False)


def test_its_history_fills_the_cell_of_validation_alone(comparison) -> None:
    found = row_of(comparison)
    (run_folder,) = (
        path.parent
        for path in comparison.runs.glob("*/config.json")
        if "idle-by-patient" in path.read_text()
    )
    with (run_folder / "history.csv").open() as file:
        (epoch,) = csv.DictReader(file)
    accuracy = float(epoch["val_accuracy"])
    assert found.by_patient == f"{accuracy:.4f} ‡"
    assert found.under_paper == "could not be measured ‡"
    assert found.note == "at rest; not calibrated: it learnt nothing (paper, by-patient)"
    assert found.failures() == []
    half = found.patient.record.measured["validation"].half
    assert half.sensitivity == float(epoch["val_sensitivity"])
    assert half.specificity == float(epoch["val_specificity"])
    rows = [row for row in found.details() if row[1] == "by-patient: validation"]
    assert rows[0][3] == f"{float(epoch['val_auroc']):.3f}"
    text = report.markdown([found], "films", "flask compare")
    assert "‡ The network learnt nothing" in text
    assert "## Failed" not in text


def test_it_is_not_trained_again(comparison) -> None:
    again = Listener()
    list(comparison.run(again))
    assert (again.bars, again.warnings) == ({}, [])


def test_what_an_older_record_lacks_comes_from_the_history(comparison) -> None:
    before = row_of(comparison).by_patient
    (path,) = (comparison.runs / "compare" / "idle").glob("idle-by-patient-*.json")
    record = Record.read(path)
    record.measured = {}
    record.write(path)
    assert row_of(comparison).by_patient == "could not be measured ‡"
    again = Listener()
    list(comparison.run(again))
    assert again.bars == {}
    assert row_of(comparison).by_patient == before


def test_without_its_history_it_is_trained_again(comparison) -> None:
    (path,) = (comparison.runs / "compare" / "idle").glob("idle-by-patient-*.json")
    record = Record.read(path)
    record.measured = {}
    record.write(path)
    for best in Path(comparison.runs).glob("*/best.pt"):
        best.unlink()
    again = Listener()
    list(comparison.run(again))
    assert {label for label in again.bars if "epoch" in label} == {
        "[1/1 idle, by-patient] epoch 1/1"
    }
