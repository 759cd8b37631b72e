"""A comparison that really trains: cut off, gone on with, with an entry that cannot succeed."""

import contextlib
import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pneumonia.errors import DataError
from tests.train.conftest import Listener
from tests.train.small import write_recipe
from train.data import manifest
from train.loop import run
from train.research import cli
from train.research.comparison import plan
from train.research.comparison.comparison import Comparison, Result
from train.research.comparison.protocol import Protocol, Training
from train.research.comparison.report import run_and_report
from train.terminal import shown_path

PLAN = """\
init_weights = "none"

[[entry]]
name = "sound"
recipe = "{small}"

[[entry]]
name = "diverges"
recipe = "{small}"
[entry.set]
reported_on = "validation"
split = {{ test = 0.0, by = "patient", seed = 2026 }}
training.batch_size = 10
optimiser = {{ name = "sgd", learning_rate = 1e30, new_layer_rate = 1e30, head_rate = 1e30 }}

[[entry]]
name = "official"
recipe = "{small}"
set = {{ split.by = "patient", reported_on = "test" }}
"""


class Told(Listener):
    """All that was said."""

    @property
    def all(self) -> str:
        return "\n".join([*self.lines, *self.warnings, *self.bars])


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "plan.toml").write_text(PLAN.format(small=write_recipe(folder)))
    return folder


def comparison(base: Path, radiographs: Path, on_patient_overlap="stop") -> Comparison:
    entries = plan.load(base / "plan.toml", "imagenet")
    options = run.Options(
        data=str(radiographs), out="", device="cpu", on_patient_overlap=on_patient_overlap
    )
    return Comparison(entries, manifest.load(radiographs), options, base / "runs", rounds=1)


def results_of(compared: Comparison) -> list[Result]:
    return [result for both in compared.results() for result in both]


@pytest.fixture(scope="module")
def cut_off(base, radiographs) -> tuple[list[Result], Told]:
    """The comparison, interrupted in the last training's second epoch."""
    listener = Told(stop_at="[3/3 official, by-patient] epoch 2/2")
    with contextlib.suppress(KeyboardInterrupt):
        list(comparison(base, radiographs).run(listener))
        pytest.fail("nothing was interrupted")
    return results_of(comparison(base, radiographs)), listener


@pytest.fixture(scope="module")
def gone_on(base, radiographs, cut_off) -> tuple[list[Result], Told]:
    listener = Told()
    run_and_report(comparison(base, radiographs), base / "out", "flask compare --plan x", listener)
    return results_of(comparison(base, radiographs)), listener


def test_what_was_finished_before_the_end_is_kept(cut_off) -> None:
    results, said = cut_off
    paper, patient, diverged, shared, locked, begun = results
    assert set(paper.record.measured) == {"validation", "held-out"}
    assert set(patient.record.measured) == {"validation"}
    assert paper.record.cost.films < patient.record.cost.films
    speed = patient.record.speed
    assert min(speed.radiograph_s, speed.baseline_s) > 0
    assert diverged.record == shared.record  # one training for both columns
    assert locked.locked
    assert begun.record.cost is None
    assert "[1/3 sound, paper] epoch 2/2" in said.bars


def test_a_training_that_diverges_says_why_and_the_rest_go_on(cut_off) -> None:
    results, said = cut_off
    assert results[2].record.code == "bad_run"
    assert "training diverged" in results[2].record.reason
    assert any("[2/3 diverges, by-patient] failed, and is tried again" in w for w in said.warnings)
    assert "[3/3 official, by-patient] epoch 1/2" in said.bars


def test_going_on_runs_only_what_is_left(gone_on) -> None:
    results, said = gone_on
    assert "[1/3 sound" not in said.all
    assert "[2/3 diverges, by-patient] epoch 1/2" in said.bars  # from its beginning
    assert "[3/3 official, by-patient] epoch 1/2" not in said.bars
    assert any("official, by-patient] run" in x and "going on" in x for x in said.lines)
    assert set(results[5].record.measured) == {"validation"}
    assert "training diverged" in results[3].record.reason


def test_the_report_has_all_entries(gone_on, base) -> None:
    text = (base / "out" / "comparison.md").read_text()
    rows = {row.split(" | ")[0]: row for row in text.splitlines() if row.startswith("| ")}
    accuracy = gone_on[0][1].record.measured["validation"].half.accuracy
    assert rows["| diverges"].startswith("| diverges | by-patient | The loss is no longer a number")
    assert f"| {accuracy:.4f} | official test: locked |" in text
    assert "| official | 0.9000 | official test: locked | " in text
    changes = "split.by = patient, reported_on = test"
    assert f"| official | from scratch | 2 epochs of 50 films | {changes} |" in text
    with (base / "out" / "comparison.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["sound", "diverges", "official"]
    assert (base / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_official_column_is_filled_without_training(
    gone_on, base, radiographs, tmp_path
) -> None:
    grown = tmp_path / radiographs.name
    shutil.copytree(radiographs, grown)
    for i, path in enumerate(sorted((radiographs / "train").glob("*/*"))):
        if i % 10 == 0:
            # One of them has the number of a patient in train: another child, as in many data sets.
            to = grown / "test" / path.parent.name / f"person{9000 + i if i else 1}_virus_1.png"
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    with pytest.raises(DataError, match="1 patients are in two splits, the first person1"):
        comparison(base, grown)
    with_test = comparison(base, grown, on_patient_overlap="keep")
    with_test.entries = with_test.entries[:1]
    listener = Told()
    list(with_test.run(listener))
    assert [label for label in listener.bars if "epoch" in label] == []
    assert listener.bars == {"[1/1 sound, by-patient] films": 6}
    assert results_of(with_test)[1].record.measured["test"].films == 6
    assert "test" not in results_of(with_test)[0].record.measured


def test_other_settings_are_another_training(base, radiographs) -> None:
    first, second = comparison(base, radiographs), comparison(base, radiographs)
    entry = second.entries[0]
    prose = replace(
        entry.recipe, title="other words", figures={"accuracy": 0.1}, reported_on="validation"
    )
    slower = replace(entry.recipe, optimiser=replace(entry.recipe.optimiser, head_rate=1e-4))
    bundle = first._bundle(Training(entry, Protocol.PAPER))
    for other, same in ((prose, True), (slower, False)):
        training = Training(replace(entry, recipe=other), Protocol.PAPER)
        assert (second._bundle(training) == bundle) is same
    pretrained = Training(replace(entry, init_weights="imagenet"), Protocol.PAPER)
    assert second._bundle(pretrained) != bundle


def test_the_command_reports_failures_and_says_how_it_was_made(gone_on, base, radiographs) -> None:
    said = CliRunner().invoke(
        cli.compare,
        ["--data", str(radiographs),
         "--plan", str(base / "plan.toml"), "--out", str(base / "again"),
         "--runs", str(base / "runs"), "--device", "cpu", "--lungs", "none"],
        catch_exceptions=False,
    )  # fmt: skip
    assert said.exit_code == 1
    assert "1 training failed; the same command tries it again" in said.output
    text = (base / "again" / "comparison.md").read_text()
    data, plan, out = (
        shown_path(path) for path in (radiographs, base / "plan.toml", base / "again")
    )
    assert f"flask compare --data {data} --plan {plan} --out {out}" in text


def test_the_command_wants_a_plan_or_recipes(radiographs) -> None:
    said = CliRunner().invoke(cli.compare, ["--data", str(radiographs)])
    assert said.exit_code == 2
    assert "--data, and either --plan or --recipes, must be given" in said.output
