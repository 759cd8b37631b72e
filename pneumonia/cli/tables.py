"""Rows of the command line as a table for a person, or as JSON or CSV for a program."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pneumonia.errors import DomainError
from pneumonia.presentation.describe import percent

Row = dict[str, Any]
# A column's title and how to fill it; the later ones give way first where the terminal is narrow.
_Column = tuple[str, Callable[[Row], str]]

CSV_FIELDS = (
    "file",
    "label",
    "probability",
    "confidence",
    "operating_point",
    "threshold",
    "model_id",
    "model_sha256",
    "image_format",
    "image_width",
    "image_height",
    "image_sha256",
    "quality_accepted",
    "quality_warnings",
    "quality_inverted",
    "error",
    "detail",
    "intended_use",
    "population",
    "population_match",
    "etiology",
    "etiology_confidence",
    "etiology_caution",
)


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """Flat, with a header; an error leaves the finding's fields empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(row) for row in rows)
    return out.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    if row["error"]:
        error = row["error"]
        return {"file": row["file"], "error": error["code"], "detail": error["detail"]}
    point, model, image, quality = (
        row[name] for name in ("operating_point", "model", "image", "quality")
    )
    return {
        **{name: row[name] for name in ("file", "label", "probability", "confidence")},
        "operating_point": point["name"],
        "threshold": point["threshold"],
        **{f"model_{name}": value for name, value in model.items()},
        **{f"image_{name}": value for name, value in image.items()},
        "quality_accepted": str(quality["accepted"]).lower(),
        "quality_warnings": " ".join(quality["warnings"]),
        "quality_inverted": str(quality["inverted"]).lower(),
        "intended_use": row["intended_use"],
        "population": row["population"],
        "population_match": row["population_match"],
        **_flat_etiology(row["etiology"]),
    }


def _flat_etiology(etiology: dict[str, Any] | None) -> dict[str, Any]:
    """Three columns; empty without an etiology."""
    if etiology is None:
        return {}
    return {
        "etiology": etiology["label"],
        "etiology_confidence": etiology["confidence"],
        "etiology_caution": etiology["caution"],
    }


def as_table(rows: Sequence[Row]) -> str:
    """Aligned columns, then a sentence for each file that was refused or warned about."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    columns = [c for c in _COLUMNS if c is not _ETIOLOGY or any(row["etiology"] for row in rows)]
    cells = _cells(rows, columns)
    while len(columns) > 4 and _width(cells) > width:
        columns.pop()
        cells = _cells(rows, columns)
    _shorten_files(cells, width)
    return _align(cells) + _notes(rows)


def _value(row: Row, make: Callable[[Row], str]) -> str:
    return "" if row["error"] else make(row)


_ETIOLOGY: _Column = ("etiology", lambda row: _value(row, lambda r: _name(r["etiology"])))
_COLUMNS: tuple[_Column, ...] = (
    ("file", lambda row: row["file"]),
    ("label", lambda row: row["label"] or row["error"]["code"]),
    ("probability", lambda row: _value(row, lambda r: percent(r["probability"]))),
    ("confidence", lambda row: _value(row, lambda r: percent(r["confidence"]))),
    _ETIOLOGY,
    ("image", lambda row: _value(row, lambda r: _image(r["image"]))),
    ("operating point", lambda row: _value(row, lambda r: _point(r["operating_point"]))),
    ("model", lambda row: _value(row, lambda r: _model(r["model"]))),
)


def _name(etiology: dict[str, Any] | None) -> str:
    return f"{etiology['label']} {percent(etiology['confidence'])}" if etiology else ""


def _image(image: dict[str, Any]) -> str:
    return f"{image['format']} {image['width']} x {image['height']}"


def _point(point: dict[str, Any]) -> str:
    return f"{point['name']} {point['threshold']:.4f}"


def _model(model: dict[str, Any]) -> str:
    return f"{model['id']} {model['sha256'][:12]}"


def _cells(rows: Sequence[Row], columns: Sequence[_Column]) -> list[list[str]]:
    titles = [title for title, _ in columns]
    return [titles, *([fill(row) for _, fill in columns] for row in rows)]


def _width(cells: list[list[str]]) -> int:
    return sum(_widths(cells)) + 2 * (len(cells[0]) - 1)


def _widths(cells: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _shorten_files(cells: list[list[str]], width: int) -> None:
    """Cut the files' names from the left, where they are most alike, so that a row is a line."""
    spare = width - (_width(cells) - _widths(cells)[0])
    limit = max(spare, 12)
    for line in cells[1:]:
        if len(line[0]) > limit:
            line[0] = "…" + line[0][-(limit - 1) :]


def _align(cells: list[list[str]]) -> str:
    widths = _widths(cells)
    lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
    return "\n".join(lines) + "\n"


def _notes(rows: Sequence[Row]) -> str:
    notes = [f"{row['file']}: {row['error']['detail']}" for row in rows if row["error"]]
    for row in rows:
        if not row["error"]:
            notes.extend(f"{row['file']}: {text}" for text in row["quality"]["warnings"])
    cautions = dict.fromkeys(row["etiology"]["caution"] for row in rows if row["etiology"])
    notes.extend(f"etiology: {caution}" for caution in cautions)
    return "\n" + "\n".join(notes) + "\n" if notes else ""


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
}


def models_table(models_dir: Path, served: str) -> str:
    """One line per bundle; a damaged one with the sentence that says what is wrong with it."""
    folders = sorted(p for p in models_dir.glob("[!.]*") if p.is_dir())
    if not folders:
        return f"There are no model bundles in {models_dir}. Train one with flask train.\n"
    notes = []
    if served not in [folder.name for folder in folders]:
        notes.append(f"The served model {served} (PNEUMONIA_MODEL) is not among them.")
    cells = [["model", "architecture", "sha256", "AUROC", "served", "operating points"]]
    for folder in folders:
        line, note = _model_line(folder, folder.name == served)
        cells.append(line)
        notes.extend([note] if note else [])
    return _align(cells) + ("\n" + "\n".join(notes) + "\n" if notes else "")


def _model_line(folder: Path, served: bool) -> tuple[list[str], str]:
    from pneumonia.analysis import lung_card
    from pneumonia.analysis.bundle import read_bundle
    from pneumonia.analysis.card import CARD
    from pneumonia.analysis.engines.pytorch import load_classifier, load_lung_network

    mark = "yes" if served else ""
    try:
        if (folder / lung_card.CARD).is_file() and not (folder / CARD).is_file():
            own = lung_card.read_lung_card(folder)
            load_lung_network(folder)
            sha256 = lung_card.digest(str(folder))[:12]
            dice = f"a lung network: Dice {own['validation']['dice']:.4f}, for --lungs"
            return [folder.name, own["architecture"], sha256, "", mark, dice], ""
        bundle = read_bundle(folder)
        card = bundle.card
        load_classifier(bundle)
    except DomainError as error:
        return [folder.name, "damaged", "", "", mark, ""], f"{folder.name}: {error.detail}"
    auroc = card.raw.get("validation", {}).get("auroc")
    value = auroc.get("value") if isinstance(auroc, dict) else auroc
    figure = f"{value:.4f}" if isinstance(value, int | float) else ""
    points = ", ".join(f"{p.name} {p.threshold:.4f}" for p in card.operating_points.values())
    return [card.id, card.architecture, card.weights_sha256[:12], figure, mark, points], ""
