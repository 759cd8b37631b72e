"""The commands as a person types them, through click's own runner and as a real process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pneumonia.config import ROOT
from train import cli, terminal


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    """The default recipe, made small."""
    text = (ROOT / "train" / "recipes" / "default.toml").read_text()
    text = text.replace('crop = "lungs"', 'crop = "film"')  # the films here have none
    for name, value in {
        "architecture": '"resnet18"', "size": "64", "epochs": "2", "batch_size": "4",
        "fraction": "0.3", "seed": "1", "precision": '"float32"', "samples_per_epoch": "0",
        "grid": "64", "levels": '"window"', "covered": "0.0", "outside": "0.0",
    }.items():  # fmt: skip
        text = re.sub(rf"(?m)^{name} = [^#\n]*", f"{name} = {value}", text)
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(text)
    return path


def invoke(command, *args: object):
    return CliRunner().invoke(command, [str(a) for a in args], catch_exceptions=False)


def test_train_then_evaluate(radiographs, recipe_file, tmp_path) -> None:
    out = tmp_path / "models" / "small"
    trained = invoke(
        cli.train, "--data", radiographs, "--recipe", recipe_file, "--init-weights", "none",
        "--out", out, "--runs", tmp_path / "runs", "--device", "cpu",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    assert "wrote bundle small" in trained.output

    measured = invoke(
        cli.evaluate, "--data", radiographs, "--split", "validation", "--model", "small",
        "--models-dir", tmp_path / "models", "--out", tmp_path / "report",
    )  # fmt: skip
    assert measured.exit_code == 0, measured.output
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())
    card = json.loads((out / "card.json").read_text())
    assert found["confusion"] == card["validation"]["confusion"]
    predictions = (tmp_path / "report" / "predictions.csv").read_text()
    assert predictions.startswith("file,label,probability,logit,patient,source,population\n")
    evidence = json.loads((tmp_path / "report" / "evidence.json").read_text())
    balanced = evidence["discrimination"]["points"]["balanced"]
    assert balanced["confusion"] == found["confusion"]
    assert set(evidence["discrimination"]["points"]) == set(card["operating_points"])
    assert evidence["perturbations"]["robustness"]["inversion"]["n"] == found["n"]
    page = (tmp_path / "report" / "evidence.html").read_text()
    assert f"<h1>Evidence: small on {radiographs.name}, validation</h1>" in page
    assert f"the evidence report is {tmp_path / 'report' / 'evidence.html'}" in measured.output


def test_a_setting_of_the_recipe_can_be_changed(radiographs, recipe_file, tmp_path) -> None:
    trained = invoke(
        cli.train, "--data", radiographs, "--recipe", recipe_file, "--init-weights", "none",
        "--out", tmp_path / "changed", "--runs", tmp_path / "runs", "--device", "cpu",
        "--set", "network.until=layer1", "--set", "optimiser.name=adam", "--epochs", "1",
        "--set", "perturbed_radiographs=false",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    recipe = json.loads((tmp_path / "changed" / "card.json").read_text())["recipe"]
    assert recipe["network"]["until"] == "layer1"
    assert recipe["optimiser"]["name"] == "adam"
    assert recipe["training"]["epochs"] == 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.epochs=0", "training: epochs is 0; it must be at least 1"),
        ("training.epoch=3", "training: unknown key 'epoch'"),
        ("training.epochs", "must be KEY=VALUE"),
    ],
)
def test_a_setting_that_cannot_be_is_said(radiographs, setting, said) -> None:
    found = invoke(cli.train, "--data", radiographs, "--recipe", "pneunet", "--set", setting)
    assert found.exit_code == 1
    assert said in found.output


def test_a_missing_option_is_named() -> None:
    found = invoke(cli.train, "--recipe", "default")
    assert found.exit_code == 2
    assert "--data must be given" in found.output


def test_a_missing_folder_is_a_sentence_not_a_traceback(tmp_path) -> None:
    found = invoke(cli.train, "--data", tmp_path / "absent", "--recipe", "default")
    assert found.exit_code == 1
    assert re.search(r"Error: The data folder .*absent does not exist\.", found.output)


def test_what_belongs_to_the_run_cannot_be_changed(tmp_path) -> None:
    found = invoke(
        cli.train, "--resume", tmp_path, "--epochs", "3", "--seed", "1", "--set", "training.views=2"
    )
    assert found.exit_code == 2
    assert "--epochs, --seed, --set belong to the run" in found.output


def test_recipes_are_listed_with_their_papers() -> None:
    found = invoke(cli.recipes)
    assert "default: ResNet-50" in found.output
    assert "pneunet: PneuNet" in found.output
    assert "Hossain" in found.output


def test_an_unknown_split_names_those_there_are(radiographs, tiny_bundle) -> None:
    found = invoke(cli.evaluate, "--data", radiographs, "--split", "tset", "--model", tiny_bundle)
    assert found.exit_code == 1
    assert "train" in found.output


def test_a_quick_evaluation_at_another_operating_point(radiographs, tiny_bundle, tmp_path) -> None:
    measured = invoke(
        cli.evaluate, "--data", radiographs, "--split", "train", "--model", tiny_bundle,
        "--out", tmp_path, "--quick", "--operating-point", "screening", "--device", "cpu",
    )  # fmt: skip
    assert measured.exit_code == 0, measured.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["operating_point"]["name"] == "screening"
    evidence = json.loads((tmp_path / "evidence.json").read_text())
    assert evidence["perturbations"] is None
    assert evidence["command"] == (
        f"flask evaluate --data {radiographs.name} --split train --model tiny "
        "--operating-point screening --quick"
    )


def test_an_unknown_operating_point_names_those_there_are(radiographs, tiny_bundle) -> None:
    found = invoke(
        cli.evaluate, "--data", radiographs, "--split", "train", "--model", tiny_bundle,
        "--operating-point", "youden",
    )  # fmt: skip
    assert found.exit_code == 1
    assert "screening, balanced, confirming" in found.output


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_killed_process_says_how_to_go_on(radiographs, recipe_file, tmp_path, ending) -> None:
    command = [
        sys.executable, "-m", "train", "--data", radiographs, "--recipe", recipe_file,
        "--init-weights", "none", "--epochs", "500", "--out", tmp_path / "own",
        "--runs", tmp_path / "runs",
    ]  # fmt: skip
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        # Started in the background a shell's children ignore Ctrl-C, and theirs inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/last.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(ending)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "it goes on with: --resume RUN" in said
    assert "Traceback" not in said


def test_a_log_file_gets_lines(capsys) -> None:
    with terminal.Terminal().bar("reading", 100) as advance:
        advance(40)
        advance(60)
    lines = capsys.readouterr().err.split("\n")
    assert re.search(r"reading: 100/100  +[\d.?]+ ?films/s  00:00 left", "\n".join(lines))


def test_a_report_names_paths_that_run_and_never_where_this_machine_keeps_things(
    tmp_path, monkeypatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    for path, shown in (
        (project / "runs" / "a", "runs/a"),
        (Path("docs"), "docs"),
        (Path("../shared/kermany"), "../shared/kermany"),
        (tmp_path / "shared" / "kermany", "../shared/kermany"),
        (ROOT / "docs", "docs"),
        (Path("/elsewhere/films"), "films"),
    ):
        assert terminal.shown_path(path) == shown


def test_evaluate_names_all_the_parts_it_can_measure() -> None:
    words = " ".join(invoke(cli.evaluate, "--help").output.split())
    assert "train, val, test, all; validation or held-out" in words
