"""Readings in the words of the API; the pages and the command line use the same ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pneumonia.analysis.finding import Finding, PopulationMatch
from pneumonia.presentation.calls import Call
from pneumonia.records import ImageInfo, Reading, Verdict


def as_json(
    reading: Reading,
    calls: Sequence[Call],
    intended_use: str | None,
    etiology: dict[str, Any] | None,
    location: dict[str, Any] | None,
    review: dict[str, Any] | None,
    links: dict[str, str],
) -> dict[str, Any]:
    """The body of ``/api/v1/readings``: the same for the one who sent it and who asks later.

    Parameters
    ----------
    calls
        What each operating point calls the film.
    intended_use
        What the model that made the reading is for; None where that is no longer known.
    etiology
        See :func:`pneumonia.presentation.etiology.describe_etiology`.
    location
        See :func:`pneumonia.presentation.location.describe_location`.
    review
        See :func:`pneumonia.presentation.review.describe_opinion`.
    links
        Where the reading, its page and its pictures are.
    """
    return summarise(reading, review, links) | {
        "etiology": etiology,
        "operating_points": [
            {
                "name": call.point.name,
                "threshold": float(call.point.threshold),
                "label": call.label.value,
            }
            for call in calls
        ],
        "intended_use": intended_use,
        "lungs": [[list(corner) for corner in part] for part in reading.finding.outline],
        "location": location,
    }


def summarise(
    reading: Reading, review: dict[str, Any] | None, links: dict[str, str]
) -> dict[str, Any]:
    """A reading as one of a list: what takes room, or its model's card, is left out."""
    finding = describe_finding(reading.finding)
    return {
        "id": reading.id,
        "created_at": timestamp(reading.created_at),
        **{key: finding[key] for key in ("label", "probability", "confidence")},
        "reference": reading.reference or None,
        "synthetic": reading.synthetic,
        "batch": reading.batch or None,
        "population": reading.finding.population or None,
        "population_match": reading.finding.population_match.value,
        "population_mismatches": list(reading.finding.mismatches),
        "operating_point": finding["operating_point"],
        "model": finding["model"],
        "image": describe_image(reading.image),
        "quality": finding["quality"],
        "review": review,
        "links": links,
    }


def show_verdict(finding: Finding) -> Verdict:
    """What stands for the finding where there is room for one word."""
    if finding.population_match is PopulationMatch.NO:
        return Verdict.OUTSIDE
    return Verdict(finding.label.value)


def describe_finding(finding: Finding) -> dict[str, Any]:
    point, model, quality = finding.operating_point, finding.model, finding.quality
    return {
        "label": finding.label.value,
        "probability": float(finding.probability),
        "confidence": float(finding.confidence),
        "operating_point": {"name": point.name, "threshold": float(point.threshold)},
        "model": {"id": model.id, "sha256": model.sha256},
        "quality": {
            "accepted": quality.accepted,
            "warnings": list(quality.warnings),
            "inverted": quality.inverted,
        },
    }


def describe_image(image: ImageInfo) -> dict[str, Any]:
    return {
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "sha256": image.sha256,
    }


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond, with a Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def percent(share: float) -> str:
    """A probability for a person: "93 %"; never a certainty, because there is none."""
    rounded = round(share * 100)
    if rounded >= 100:
        return "> 99 %"
    if rounded <= 0:
        return "< 1 %"
    return f"{rounded} %"


def score(probability: float) -> str:
    """A probability as a figure: four digits, never 0 or 1 where it is neither."""
    if 0 < probability < 0.0001:
        return "< 0.0001"
    if 0.9999 < probability < 1:
        return "> 0.9999"
    return f"{probability:.4f}"
