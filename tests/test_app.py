"""The composition root: what starting the app and its commands does, and does not do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from app import RESEARCH_COMMANDS, TRAIN_COMMANDS, create_app
from pneumonia.config import ROOT, Settings
from pneumonia.errors import BadSetting
from pneumonia.web.services import services


def flask(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PNEUMONIA_")}
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=ROOT,
        env=clean | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_lists_every_command_and_writes_nothing(tmp_path: Path) -> None:
    result = flask("--help", PNEUMONIA_DATA_DIR=str(tmp_path / "var"))
    assert result.returncode == 0
    for command, text in (TRAIN_COMMANDS | RESEARCH_COMMANDS).items():
        assert re.search(rf"^  {command} +{re.escape(text)}", result.stdout, re.MULTILINE), command
    for command in ("predict", "models", "users", "audit"):
        assert f"\n  {command} " in result.stdout
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("command", TRAIN_COMMANDS | RESEARCH_COMMANDS)
def test_a_training_command_shows_its_own_help(app: Flask, command: str) -> None:
    result = app.test_cli_runner().invoke(args=[command, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert ("--data" in result.stdout) is (command not in ("recipes", "calibrate"))


def test_recipes_runs_through_flask(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["recipes"])
    assert result.exit_code == 0
    for recipe in ("default", "pneunet"):
        assert recipe in result.stdout


def test_making_the_app_loads_no_model_and_writes_nothing(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "var"))
    assert services(app).analysis.state == "stopped"
    assert not (tmp_path / "var").exists()


def test_two_apps_share_nothing(tmp_path: Path) -> None:
    first, second = (create_app(Settings(data_dir=tmp_path / name)) for name in "ab")
    assert services(first).store is not services(second).store
    assert services(first).analysis is not services(second).analysis


def test_settings_reach_the_app(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, max_upload_bytes=2**20))
    assert app.config["MAX_CONTENT_LENGTH"] == 2**20 + 64 * 2**10
    assert app.config["SESSION_COOKIE_HTTPONLY"] is True


def test_a_rate_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^PNEUMONIA_RATE_LIMIT is 'often'; it must read like"):
        create_app(Settings(data_dir=tmp_path, rate_limit="often"))


def test_the_development_server_reads_wsgi(tmp_path: Path) -> None:
    result = flask("routes", PNEUMONIA_DATA_DIR=str(tmp_path / "var"))
    assert result.returncode == 0
    for rule in ("/api/v1/readings", "/readings/<reading_id>/overlay.png", "/healthz", "/readyz"):
        assert rule in result.stdout


def test_a_bad_setting_is_a_sentence_for_the_commands_too() -> None:
    result = flask("models", PNEUMONIA_DEVICE="gpu")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: PNEUMONIA_DEVICE is 'gpu'; it must be one of auto, cpu, cuda.\n"
    )
