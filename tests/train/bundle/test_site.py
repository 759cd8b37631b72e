"""A bundle is calibrated on reviewed films where that is shown to be better, and else is not."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pneumonia.analysis.bundle import read_bundle
from pneumonia.analysis.card import read_card
from pneumonia.errors import DataError
from train.bundle.site import MIN_EACH, MIN_FILMS, NoGainError, calibrate_on_reviews
from train.cli import calibrate

COLUMNS = ("file", "label", "patient", "population", "logit", "weights_sha256")


def export(
    folder: Path, bundle: Path, n: int = 240, *, scale: float = 1.0, shift: float = 0.0,
    share: float = 0.4, seed: int = 3, **changes: Any,
) -> Path:  # fmt: skip
    """A table as an export has it: logits for which the bundle's calibration is right.

    Unless ``scale`` or ``shift`` say otherwise.
    """
    card, random = read_card(bundle), np.random.default_rng(seed)
    ill = random.random(n) < share
    evidence = random.normal(np.where(ill, 2, -2), 2)  # its own log-odds, among equal shares
    odds = evidence + np.log(share / (1 - share))
    logits = odds * card.calibration.temperature - card.calibration.bias
    folder.mkdir(exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        for i in range(n):
            row = dict(
                zip(
                    COLUMNS,
                    (
                        f"films/{i}.png", "PNEUMONIA" if ill[i] else "NORMAL", f"p{i // 2}", "",
                        repr(float(logits[i] * scale + shift)), card.weights_sha256,
                    ),
                    strict=True,
                )
            )  # fmt: skip
            rows.writerow(row | changes)
    return folder


def test_a_shifted_site_is_calibrated_into_a_bundle_of_its_own(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    data = export(tmp_path / "reviewed", tiny_bundle, shift=8.0, scale=2.0)
    before = (tiny_bundle / "card.json").read_bytes()
    out = tmp_path / "models" / "tiny-site"
    result = CliRunner().invoke(
        calibrate,
        ["--model", str(tiny_bundle), "--from-reviews", str(data), "--out", str(out)],
    )
    assert result.exit_code == 0, result.output
    assert "It is served once PNEUMONIA_MODEL names it." in result.output
    assert (tiny_bundle / "card.json").read_bytes() == before
    card = read_bundle(out).card  # whole, and with the hashes that it says
    found = card.raw["site_calibration"]
    assert found["based_on"] == "tiny"
    assert found["films"]["n"] == 240
    assert found["gain"]["ci95"][0] > 0
    assert found["after"]["log_loss"]["value"] < found["before"]["log_loss"]["value"] / 2
    assert card.calibration.temperature != read_card(tiny_bundle).calibration.temperature
    assert "evidence" not in card.raw
    assert "240 reviewed films of one clinic" in card.raw["limits"][1]
    # The promise of conformal triage, on films that took no part in the fit.
    for point in found["after"]["operating_points"].values():
        assert point["missed"]["ci95"][0] <= 0.05
        assert point["false_alarms"]["ci95"][0] <= 0.05


def test_where_the_calibration_is_right_already_nothing_is_written(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    data, out = export(tmp_path / "reviewed", tiny_bundle), tmp_path / "out"
    with pytest.raises(NoGainError, match="may be chance"):
        calibrate_on_reviews(tiny_bundle, data, out)
    assert not out.exists()
    assert list(tmp_path.iterdir()) == [data]


def test_a_score_that_does_not_rise_is_not_mended(tiny_bundle: Path, tmp_path: Path) -> None:
    data = export(tmp_path / "reviewed", tiny_bundle, scale=-1.0)
    with pytest.raises(NoGainError, match="does not rise"):
        calibrate_on_reviews(tiny_bundle, data, tmp_path / "out")


@pytest.mark.parametrize(
    ("films", "words"),
    [
        ({"n": MIN_FILMS - 1}, f"There are {MIN_FILMS - 1} reviewed films"),
        ({"n": 400, "share": 0.01}, f"{MIN_EACH} of either"),
        ({"weights_sha256": "0" * 64}, "There are 0 reviewed films"),
        ({"logit": "much"}, "no number"),
    ],
    ids=["few", "one-sided", "another-model", "no-number"],
)
def test_too_little_to_go_by_is_refused(
    tiny_bundle: Path, tmp_path: Path, films: dict[str, Any], words: str
) -> None:
    data = export(tmp_path / "reviewed", tiny_bundle, shift=8.0, **films)
    with pytest.raises(DataError, match=words):
        calibrate_on_reviews(tiny_bundle, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_bundle_is_overwritten(tiny_bundle: Path, tmp_path: Path) -> None:
    data = export(tmp_path / "reviewed", tiny_bundle, shift=8.0)
    for out in (tiny_bundle, data):
        with pytest.raises(DataError, match="overwrites no bundle"):
            calibrate_on_reviews(tiny_bundle, data, out)
    with pytest.raises(DataError, match="cannot be read"):
        calibrate_on_reviews(tiny_bundle, tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="one calibration for all"):
        calibrate_on_reviews(tiny_bundle, data, tmp_path / "out", "child")


def test_one_population_is_calibrated_and_the_others_stay(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    model = tmp_path / "two"
    shutil.copytree(tiny_bundle, model)
    raw = json.loads((model / "card.json").read_text())
    kinds = ("population", "calibration", "operating_points", "validation")
    own = {name: raw[name] for name in kinds}
    raw |= {"id": "two", "populations": {"child": own, "adult": own}}
    (model / "card.json").write_text(json.dumps(raw))
    data = export(tmp_path / "reviewed", tiny_bundle, shift=8.0, population="child")
    card = calibrate_on_reviews(model, data, tmp_path / "two-site")
    assert card["site_calibration"]["population"] == "child"
    assert card["populations"]["adult"] == own
    assert card["calibration"] == raw["calibration"]
    assert card["populations"]["child"]["population"] == own["population"]
    assert card["populations"]["child"]["calibration"] != own["calibration"]
    with pytest.raises(DataError, match="does not know the population 'old'"):
        calibrate_on_reviews(model, data, tmp_path / "x", "old")
    with pytest.raises(DataError, match="There are 0 reviewed films"):
        calibrate_on_reviews(model, data, tmp_path / "x", "unknown")
    table = (data / "manifest.csv").read_text().replace("child", "adult", 5)
    (data / "manifest.csv").write_text(table)
    with pytest.raises(DataError, match="Choose one with --population"):
        calibrate_on_reviews(model, data, tmp_path / "x")


def test_the_command_asks_for_one_of_its_two_ways(tiny_bundle: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(calibrate, ["--model", str(tiny_bundle)])
    assert (result.exit_code, "Give --predictions or --from-reviews" in result.output) == (2, True)
