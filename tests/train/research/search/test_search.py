"""Searches that really train: failed, cut off, killed, and gone on with in another process."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pneumonia.config import ROOT
from pneumonia.errors import RunError
from tests.train.conftest import Listener
from tests.train.small import write_recipe
from train.loop import run
from train.recipes import recipe as recipes
from train.research import cli
from train.research.search import plan as plans
from train.research.search import space as spaces
from train.research.search.plan import Search
from train.research.search.study import Study
from train.research.search.workers import run_search
from train.terminal import Terminal, shown_path

SPACE = """\
title = "Learning rates of a small network"
recipe = "{recipe}"
choose = "auroc"

[budget]
training.epochs = 1

[grid.rate]
usual = {{ optimiser.head_rate = 1e-3 }}
slow = {{ optimiser.head_rate = 1e-4 }}

[grid.rate.absurd.optimiser]
name = "sgd"
learning_rate = 1e30
new_layer_rate = 1e30
head_rate = 1e30
"""


def plan_in(folder: Path, radiographs: Path, **changes) -> Search:
    path = folder / "rates.toml"
    if not path.is_file():
        path.write_text(SPACE.format(recipe=write_recipe(folder)))
    space = spaces.load(str(path))
    values = {
        "space": space, "file": folder / "study.db", "changes": {"training.batch_size": 10},
        "options": run.Options(data=str(radiographs), out="", init_weights="none", device="cpu"),
        "runs": folder / "runs", "wanted": space.size, "command": "flask search --space rates",
    }  # fmt: skip
    return Search(**values | changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def found(base, radiographs):
    """A search cut off in its second trial, and then finished."""
    reporter = Listener(stop_at="[rates trial 1] reading training films")
    with pytest.raises(KeyboardInterrupt):
        run_search(plan_in(base, radiographs), 1, reporter)
    cut = (base / "rates.md").read_text()
    reporter = Listener()
    return cut, run_search(plan_in(base, radiographs), 1, reporter), reporter


def test_a_trial_cut_off_is_tried_again(found) -> None:
    cut, whole, said = found
    assert "1 of 3 trials" in cut
    assert said.lines[0].endswith("study.db: 1 of 3 trials settled")
    assert {trial.params["rate"] for trial in whole} == {"usual", "slow", "absurd"}
    assert [trial.number for trial in whole].count(1) == 0


def test_a_trial_that_diverges_has_failed_and_the_rest_go_on(found, base) -> None:
    _, whole, said = found
    last = whole[-1]
    assert last.params["rate"] == "absurd"
    assert last.value is None
    assert "training diverged" in last.user_attrs["reason"]
    both = said.warnings + (base / "rates.md").read_text().splitlines()
    assert any("failed: The loss is no longer a number" in words for words in both)


def test_the_table_is_sorted_by_the_figure_chosen(found, base) -> None:
    with (base / "rates.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = [float(row["val_auroc"]) for row in rows[:2]]
    assert values == sorted(values, reverse=True)
    assert rows[2]["val_auroc"] == ""
    assert rows[2]["optimiser.head_rate"] == "1e+30"
    lines = [x for x in (base / "rates.md").read_text().splitlines() if x.startswith("| ")]
    assert lines[0] == (
        "| Trial | auroc | accuracy | loss | sensitivity | specificity | best epoch | seconds "
        "| head rate | name | learning rate | new layer rate |"
    )
    assert lines[2].startswith(f"| {rows[0]['trial']} | {values[0]:.4f} | ")


def test_the_best_settings_are_a_recipe(found, base) -> None:
    _, whole, _ = found
    recipe = recipes.load(str(base / "rates-best.toml"))
    best = {"usual": 1e-3, "slow": 1e-4}[whole[0].params["rate"]]
    assert recipe.optimiser.head_rate == best
    assert recipe.training.batch_size == 10
    assert recipe.training.epochs == 2  # the recipe's, not the search's budget
    assert recipe.split.by == "patient"
    assert "the best of 3 trials by validation auroc" in recipe.title


def test_a_finished_search_is_not_run_again(found, base, radiographs) -> None:
    reporter = Listener()
    again = run_search(plan_in(base, radiographs), 1, reporter)
    assert len(again) == 3
    assert reporter.bars == {}


def test_checkpoints_of_trials_are_not_kept(found, base) -> None:
    assert len(list((base / "runs").glob("*/history.csv"))) >= 2
    assert list((base / "runs").glob("*/*.pt")) == []


def test_plots_of_trials_are_not_drawn(found, base) -> None:
    assert list((base / "runs").glob("*/*.png")) == []


def test_a_trial_that_fails_leaves_no_gigabytes(tmp_path) -> None:
    for name in ("last.pt", "features-train.npy", "history.csv", "config.json"):
        (tmp_path / name).touch()
    with pytest.raises(RunError), plans._without_checkpoints(tmp_path):
        raise RunError("diverged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "history.csv"]


def test_another_seed_is_another_study(found, base, radiographs) -> None:
    options = run.Options(data=str(radiographs), out="", init_weights="none", device="cpu", seed=1)
    with pytest.raises(RunError, match="begun with other seed: its trials cannot be compared"):
        run_search(plan_in(base, radiographs, options=options), 1, Listener())


def test_another_recipe_or_what_becomes_of_bad_radiographs_is_another_study(
    found, base, radiographs
) -> None:
    options = run.Options(
        data=str(radiographs), out="", init_weights="none", device="cpu", on_bad_image="skip"
    )
    with pytest.raises(RunError, match="begun with other on_bad_image: "):
        run_search(plan_in(base, radiographs, options=options), 1, Listener())
    recipe = base / "small.toml"
    before = recipe.read_text()
    try:
        recipe.write_text(before.replace('name = "focal"', 'name = "binary_cross_entropy"'))
        with pytest.raises(RunError, match="begun with other recipe: "):
            run_search(plan_in(base, radiographs), 1, Listener())
        recipe.write_text(before.replace("A small network", "Other words"))
        assert len(run_search(plan_in(base, radiographs), 1, Listener())) == 3
    finally:
        recipe.write_text(before)


def test_a_file_that_is_no_study_is_refused(tmp_path, radiographs) -> None:
    (tmp_path / "study.db").write_text("no database")
    with pytest.raises(RunError, match=r"study\.db cannot be used as a study"):
        run_search(plan_in(tmp_path, radiographs), 1, Listener())


KILLED = """\
import sys
from pathlib import Path
from tests.train.conftest import Listener
from tests.train.research.search.test_search import plan_in
from train.research.search.workers import run_search
run_search(plan_in(Path(sys.argv[1]), Path(sys.argv[2])), 1, Listener())
"""


def test_what_a_killed_process_left_two_others_finish_together(tmp_path, radiographs) -> None:
    plan = plan_in(tmp_path, radiographs)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(radiographs)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/config.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(Study(plan.file, plan.space, plan.conditions()).settled()) < 3
    found = run_search(plan, 2, Terminal())
    assert {trial.params["rate"] for trial in found} == {"usual", "slow", "absurd"}
    assert found[0].params["rate"] != "absurd"


def test_the_command_goes_on_with_a_study_and_says_where_its_results_are(
    found, base, radiographs
) -> None:
    said = CliRunner().invoke(
        cli.search,
        ["--data", str(radiographs), "--space", str(base / "rates.toml"), "--init-weights", "none",
         "--study", str(base / "study.db"), "--runs", str(base / "runs"), "--device", "cpu",
         "--lungs", "none", "--set", "training.batch_size=10"],
        catch_exceptions=False,
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert f"the best settings are the recipe {base / 'rates-best.toml'}" in said.output
    text = (base / "rates.md").read_text()
    assert "3 of 3 trials, 1 of them failed; films: `films" in text
    assert f"flask search --data {shown_path(radiographs)} --space" in text
