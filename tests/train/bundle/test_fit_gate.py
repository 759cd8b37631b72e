"""``flask gate``: what a chest film looks like is fitted anew, and nothing else changes."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from pneumonia.analysis.bundle import read_bundle
from train import cli


def fit(model: Path, *options: object):
    arguments = ["--model", str(model), *map(str, options)]
    return CliRunner().invoke(cli.gate, arguments, catch_exceptions=False)


def test_the_gate_is_fitted_to_the_films_and_the_rest_of_the_bundle_stays(
    shipped_bundle: Path, radiographs: Path, tmp_path: Path
) -> None:
    model = tmp_path / "default"
    shutil.copytree(shipped_bundle, model)
    done = fit(model, "--data", radiographs, "--runs", tmp_path / "runs")
    assert done.exit_code == 0, done.output

    before, after = (json.loads((f / "lungs.json").read_text()) for f in (shipped_bundle, model))
    assert after["outlier_model"]["mean"] != before["outlier_model"]["mean"]
    assert f"fitted to {after['outlier_model']['films']} films" in done.output
    assert after | {"outlier_model": None} == before | {"outlier_model": None}
    cards = [json.loads((f / "card.json").read_text()) for f in (shipped_bundle, model)]
    for card in cards:
        del card["lungs"]["sha256"]["lungs.json"]
    assert cards[0] == cards[1]
    assert read_bundle(model).lungs is not None  # the card's hash is that of the new file


def test_a_model_without_a_lung_network_has_no_gate(tiny_bundle: Path, radiographs: Path) -> None:
    done = fit(tiny_bundle, "--data", radiographs)
    assert done.exit_code == 1
    assert "no lung network, and so no gate to fit" in done.output


def test_the_films_must_be_named(shipped_bundle: Path) -> None:
    done = fit(shipped_bundle)
    assert done.exit_code == 1
    assert "Give --data" in done.output
