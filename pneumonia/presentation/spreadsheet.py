"""Readings as CSV, for a spreadsheet: one a line, with a header."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from pneumonia.presentation.describe import show_verdict, timestamp
from pneumonia.presentation.review import describe_opinion
from pneumonia.records import Reading

FIELDS = (
    "id",
    "created_at",
    "reference",
    "verdict",
    "label",
    "probability",
    "confidence",
    "population",
    "population_match",
    "operating_point",
    "threshold",
    "model_id",
    "model_sha256",
    "image_format",
    "image_width",
    "image_height",
    "image_sha256",
    "quality_warnings",
    "synthetic",
    "batch",
    "opinion",
    "agreement",
    "page",
)
# What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(readings: Iterable[Reading], address: str) -> Iterator[str]:
    """Line by line, so that a long list needs no room.

    Parameters
    ----------
    address
        Of a reading's page, before its id.
    """
    yield _line(FIELDS)
    for reading in readings:
        columns = _columns(reading, address)
        yield _line(columns[name] for name in FIELDS)


def _line(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_inert(cell) for cell in cells])
    return out.getvalue()


def _inert(cell: Any) -> Any:
    """Text that cannot be taken for a formula: what a sender calls a film is anybody's text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _columns(reading: Reading, address: str) -> dict[str, Any]:
    finding, image = reading.finding, reading.image
    return {
        "id": reading.id,
        "created_at": timestamp(reading.created_at),
        "reference": reading.reference,
        "verdict": show_verdict(finding).value,
        "label": finding.label.value,
        "probability": finding.probability,
        "confidence": finding.confidence,
        "population": finding.population,
        "population_match": finding.population_match.value,
        "operating_point": finding.operating_point.name,
        "threshold": finding.operating_point.threshold,
        "model_id": finding.model.id,
        "model_sha256": finding.model.sha256,
        "image_format": image.format,
        "image_width": image.width,
        "image_height": image.height,
        "image_sha256": image.sha256,
        "quality_warnings": " ".join(finding.quality.warnings),
        "synthetic": str(reading.synthetic).lower(),
        "batch": reading.batch,
        **(describe_opinion(finding, reading.opinion) or {"opinion": None, "agreement": None}),
        "page": f"{address}{reading.id}",
    }
