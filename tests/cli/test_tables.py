"""The table of flask predict where the terminal is narrow, and the one of flask models."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pneumonia.cli import tables


def row(file: str) -> tables.Row:
    return {
        "file": file,
        "label": "normal",
        "probability": 0.031,
        "confidence": 0.969,
        "population": None,
        "population_match": "unknown",
        "etiology": None,
        "operating_point": {"name": "balanced", "threshold": 0.5},
        "model": {"id": "default", "sha256": "ab" * 32},
        "intended_use": "Research and teaching.",
        "image": {"format": "JPEG", "width": 1024, "height": 800, "sha256": "cd" * 32},
        "quality": {"accepted": True, "warnings": [], "inverted": False},
        "error": None,
    }


@pytest.mark.parametrize(
    ("width", "last_column"),
    [(200, "model"), (100, "operating point"), (80, "image"), (60, "confidence")],
)
def test_columns_give_way_before_lines_wrap(
    monkeypatch: pytest.MonkeyPatch, width: int, last_column: str
) -> None:
    monkeypatch.setattr(
        "sys.stdout", type("Terminal", (io.StringIO,), {"isatty": lambda _: True})()
    )
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [row("/films/2024/one.jpeg"), row("/films/2024/two.jpeg")]
    lines = tables.as_table(rows).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].endswith(last_column)
    assert lines[1].split()[1:5] == ["normal", "3", "%", "97"]


def test_long_names_are_cut_from_the_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdout", type("Terminal", (io.StringIO,), {"isatty": lambda _: True})()
    )
    monkeypatch.setenv("COLUMNS", "60")
    lines = tables.as_table([row("/very" * 30 + "/film-0007.jpeg")]).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1].startswith("…")
    assert "/film-0007.jpeg  normal" in lines[1]


def test_into_a_pipe_nothing_is_cut() -> None:
    name = "/very" * 60 + "/film.jpeg"
    assert name in tables.as_table([row(name)])


CAUTION = "Unreliable: right for 61 of 85. Do not choose treatment by it."


def told(file: str, label: str, confidence: float) -> tables.Row:
    etiology = {"label": label, "confidence": confidence, "caution": CAUTION}
    return row(file) | {"label": "pneumonia", "etiology": etiology}


def test_a_pattern_has_a_column_and_its_caution_is_said_once() -> None:
    rows = [told("a.png", "viral", 0.712), row("b.png"), told("c.png", "bacterial", 0.5)]
    lines = tables.as_table(rows).splitlines()
    at = lines[0].index("etiology")
    assert [line[at:].split("  ")[0] for line in lines[1:4]] == ["viral 71 %", "", "bacterial 50 %"]
    assert lines[4:] == ["", f"etiology: {CAUTION}"]


def test_without_a_pattern_there_is_no_column() -> None:
    assert "etiology" not in tables.as_table([row("a.png"), row("b.png")])


def test_a_pattern_in_csv_is_three_columns() -> None:
    rows = [told("a.png", "viral", 0.712), row("b.png")]
    read = list(csv.DictReader(io.StringIO(tables.as_csv(rows))))
    names = ("etiology", "etiology_confidence", "etiology_caution")
    assert [read[0][name] for name in names] == ["viral", "0.712", CAUTION]
    assert [read[1][name] for name in names] == ["", "", ""]


# --- flask models -------------------------------------------------------------------------------


def test_models_lists_bundles_and_what_is_wrong_with_one(make_app: Any, make_bundle: Any) -> None:
    good = make_bundle()
    damaged = good.parent / "damaged"
    damaged.mkdir()
    (damaged / "card.json").write_text("{")
    result = make_app(bundle=good, start=False).test_cli_runner().invoke(args=["models"])
    lines = result.stdout.splitlines()
    card = json.loads((good / "card.json").read_text())
    assert result.exit_code == 0
    assert lines[0].split() == [
        "model",
        "architecture",
        "sha256",
        "AUROC",
        "served",
        "operating",
        "points",
    ]
    assert lines[1].split() == ["damaged", "damaged"]
    assert lines[2].split()[:3] == ["tiny", "resnet18", card["weights"]["sha256"][:12]]
    points = card["operating_points"].items()
    said = ", ".join(f"{name} {point['threshold']:.4f}" for name, point in points)
    assert lines[2].endswith(f"yes     {said}")
    assert lines[4].startswith("damaged: The model bundle 'damaged' is refused: ")


def test_models_without_any_says_what_to_do(make_app: Any, tmp_path: Path) -> None:
    app = make_app(start=False, models_dir=tmp_path / "none")
    result = app.test_cli_runner().invoke(args=["models"])
    assert result.stdout == (
        f"There are no model bundles in {tmp_path / 'none'}. Train one with flask train.\n"
    )


def test_models_says_when_the_served_one_is_missing(make_app: Any) -> None:
    result = make_app(start=False, model="absent").test_cli_runner().invoke(args=["models"])
    assert "The served model absent (PNEUMONIA_MODEL) is not among them." in result.stdout
