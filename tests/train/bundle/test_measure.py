"""Calibration of populations apart, of films of which nothing is known, and anew of a bundle."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pneumonia.analysis.card import read_card
from pneumonia.analysis.population import Population
from pneumonia.errors import DataError
from train.bundle import held_out
from train.bundle.held_out import COLUMNS, HeldOut
from train.bundle.measure import measure, recalibrate

POPULATIONS = {"child": Population("children", (1, 5)), "adult": Population("adults", (16, 120))}


def films(n: int = 1200) -> HeldOut:
    """Children's scores lie 4 above adults'; adults are of two places, one of them small."""
    random = np.random.default_rng(0)
    labels, child = np.arange(n) % 2 == 0, np.arange(n) % 4 < 2
    logits = random.normal(np.where(labels, 1.5, -1.5) + np.where(child, 4, 0), 1.0)
    far = ~child & (np.arange(n) % 12 > 7)
    return HeldOut(
        labels,
        logits,
        np.array([f"p{i}" for i in range(n)]),
        np.where(far, "There", "Here"),
        np.where(child, "child", "adult"),
        np.empty((0, n)),
    )


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return measure(films(), POPULATIONS)


def test_each_population_has_a_calibration_of_its_own(found: dict[str, Any]) -> None:
    child, adult = (found["populations"][name]["calibration"] for name in ("child", "adult"))
    assert adult["bias"] - child["bias"] == pytest.approx(4, abs=0.5)
    for name in ("child", "adult"):
        figures = found["populations"][name]["operating_points"]["balanced"]["validation"]
        assert figures["n"] == 600
        assert figures["sensitivity"]["value"] > 0.85
        assert found["populations"][name]["population"] == POPULATIONS[name].as_dict()


def test_of_whom_nobody_speaks_the_band_holds_those_of_all(found: dict[str, Any]) -> None:
    data = films()

    def raw(one, p: float) -> float:
        fitted = one["calibration"]
        return float(np.log(p / (1 - p)) * fitted["temperature"] - fitted["bias"])

    whole = found["operating_points"]["balanced"]["indeterminate"]
    low, high = (raw(found, p) for p in whole)
    for one in found["populations"].values():
        point = one["operating_points"]["balanced"]
        edges = [raw(one, p) for p in (point["threshold"], *(point["indeterminate"] or ()))]
        assert low <= min(edges) + 1e-6
        assert high >= max(edges) - 1e-6
    wrong = (data.labels & (data.logits < low)) | (~data.labels & (data.logits > high))
    assert wrong.mean() < 0.03


def test_one_population_alone_is_not_told_apart() -> None:
    one = films().of_population("child")
    found = measure(one, POPULATIONS)
    assert found["populations"] == {}
    assert found["validation"]["n"] == 600


def test_every_source_of_a_class_weighs_alike_and_classes_keep_their_shares() -> None:
    data = films()
    for truth in (True, False):
        own = data.labels == truth
        assert data.weights[own].sum() == pytest.approx(own.sum())
        adults = own & (data.populations == "adult")
        there = adults & (data.sources == "There")
        assert data.weights[there].sum() == pytest.approx(data.weights[adults].sum() / 2)
    plain = replace(data, sources=np.full(1200, ""), populations=np.full(1200, ""))
    assert plain.weights == pytest.approx(np.ones(1200))


def write(path: Path, rows: list[tuple]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "probability"])
        writer.writerows((*row, 0.5) for row in rows)
    return path


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / tiny_bundle.name))
    card = json.loads((folder / "card.json").read_text())
    card["data"]["populations"] = {name: one.as_dict() for name, one in POPULATIONS.items()}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_bundle_is_calibrated_anew_from_predictions(
    bundle: Path, tmp_path: Path, found: dict[str, Any]
) -> None:
    data = films()
    rows = [
        (f"f{i}", "pneumonia" if data.labels[i] else "normal", repr(float(data.logits[i])),
         data.patients[i], data.sources[i], data.populations[i])
        for i in range(1200)
    ]  # fmt: skip
    seen = write(tmp_path / "seen.csv", [(*row[:2], "9.0", *row[3:]) for row in rows])
    unseen = write(tmp_path / "unseen.csv", rows)
    before = json.loads((bundle / "card.json").read_text())
    recalibrate(bundle, held_out.read([seen, unseen]))
    card = read_card(bundle)
    assert card.populations.keys() == {"child", "adult"}
    assert card.calibration.bias == pytest.approx(found["calibration"]["bias"])
    assert card.raw["weights"] == before["weights"]
    assert card.raw["map"] == before["map"]


def test_predictions_of_one_class_calibrate_nothing(bundle: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", [("f", "normal", "1.0", "p", "Here", "child")])
    with pytest.raises(DataError, match="one class"):
        recalibrate(bundle, held_out.read([path]))


def test_a_table_without_logits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("file,label,probability\nf,normal,0.5\n")
    with pytest.raises(DataError, match="lacks the column logit"):
        held_out.read([tmp_path / "p.csv"])
    with pytest.raises(DataError, match="cannot be read"):
        held_out.read([tmp_path / "absent.csv"])
