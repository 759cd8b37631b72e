"""What a report of one reading says, in words: for paper, and whoever lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pneumonia.analysis.finding import Finding, Label, PopulationMatch
from pneumonia.phrases import phrase
from pneumonia.presentation.describe import percent, score, show_verdict
from pneumonia.presentation.etiology import find_etiology, say_caution
from pneumonia.presentation.location import CONVENTION, say_location
from pneumonia.presentation.meaning import say_population
from pneumonia.presentation.review import OTHER_FINDINGS, say_opinion
from pneumonia.readings import paints_map
from pneumonia.records import Reading, Review, Verdict

if TYPE_CHECKING:  # it brings torch with it
    from pneumonia.analysis.card import Card

NOTICE = "Research use only. Not a diagnosis."
VERDICTS = {
    Verdict.PNEUMONIA: "Pneumonia",
    Verdict.NORMAL: "Normal",
    Verdict.INDETERMINATE: "Indeterminate",
    Verdict.OUTSIDE: "Outside what this model knows",
}
# The likelihood scale of the IPCC's guidance note (Mastrandrea et al. 2010): likely, very likely.
_MODERATE, _HIGH = 0.66, 0.9
MAP_SENTENCE = (
    "Evidence towards pneumonia, from weak (violet) to strong (amber); the same colour is the same "
    "evidence on every film. The map shows what moved the model; it is not an outline of disease."
)


@dataclass(frozen=True, slots=True)
class Report:
    """A report's texts, in the order in which they are read.

    Attributes
    ----------
    notice
        What comes first.
    title
        The verdict in a word, and whether it is known whose film it is.
    identity
        What tells the film apart: its reference, whether it is synthetic, when it was read.
    remarks
        Sentences on the verdict: what it means, where the map is hot, whose films it holds for.
    warnings
        Sentences on the film.
    has_map
        Whether a map is shown.
    review
        The last review in sentences; empty where there is none.
    facts
        Name and value of what is needed to know exactly what was asked of whom.
    """

    notice: str
    title: str
    identity: list[str]
    remarks: list[str]
    warnings: list[str]
    has_map: bool
    review: list[str]
    facts: list[tuple[str, str]]


def write_report(reading: Reading, card: "Card | None", reviews: Sequence[Review]) -> Report:
    """The report of one reading.

    Parameters
    ----------
    card
        Of the model that made it; None where that is no longer served.
    reviews
        The last one first.
    """
    finding = reading.finding
    verdict = show_verdict(finding)
    is_known = verdict is not Verdict.OUTSIDE
    whose = card.population.text if card else ""
    return Report(
        notice=f"{NOTICE} The model was trained on films of {whose}; it is not for others."
        if whose
        else NOTICE,
        title=_title(reading, verdict),
        identity=_identity(reading),
        remarks=_remarks(finding, card) if is_known else list(finding.mismatches),
        warnings=[one for one in finding.quality.warnings if one not in finding.mismatches],
        has_map=is_known and paints_map(finding),
        review=_say_review(finding, reviews[0]) if reviews else [],
        facts=_facts(reading, is_known=is_known),
    )


def say_confidence(finding: Finding) -> str:
    """How sure the model is of its label, in words and as a figure."""
    figure = percent(finding.confidence)
    if finding.label is Label.INDETERMINATE:
        return (
            "No confidence in either label: read this one yourself. The probability of pneumonia, "
            f"{percent(finding.probability)}, lies too close to the operating point to call."
        )
    word = (
        phrase("High")
        if finding.confidence > _HIGH
        else phrase("Moderate")
        if finding.confidence > _MODERATE
        else phrase("Low")
    )
    return f"{word} confidence in this label ({figure})."


def say_time(moment: datetime) -> str:
    """Of paper, which travels: always in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def _title(reading: Reading, verdict: Verdict) -> str:
    match = reading.finding.population_match
    is_stated = reading.synthetic or match is not PopulationMatch.UNKNOWN
    return VERDICTS[verdict] if is_stated else f"{VERDICTS[verdict]}. Patient not stated"


def _identity(reading: Reading) -> list[str]:
    said = [f"Reference: {reading.reference}"] if reading.reference else []
    if reading.synthetic:
        said.append("Synthetic: drawn by a program, not taken of a person")
    return [*said, f"Read: {say_time(reading.created_at)}"]


def _remarks(finding: Finding, card: "Card | None") -> list[str]:
    remarks = [say_confidence(finding)]
    if finding.label is Label.NORMAL:
        remarks.append(
            f"Probability of pneumonia: {percent(finding.probability)}, below the operating point. "
            "Other disease is not looked for."
        )
    if etiology := find_etiology(finding):
        remarks.append(
            f"Etiology: more like {etiology.label}, {percent(etiology.probability)} confidence. "
            + say_caution(card)
        )
    if location := say_location(finding):
        remarks += [location, CONVENTION]
    if population := say_population(finding, card):
        remarks.append(population)
    return remarks


def _say_review(finding: Finding, review: Review) -> list[str]:
    said = [
        f"{say_opinion(finding, review.opinion)}. {review.reviewer}, {say_time(review.created_at)}"
    ]
    if review.findings:
        names = ", ".join(OTHER_FINDINGS[one].lower() for one in review.findings)
        said.append(f"Other findings: {names}.")
    if review.note:
        said.append(f"Note: {review.note}")
    return said


def _facts(reading: Reading, *, is_known: bool) -> list[tuple[str, str]]:
    finding, image = reading.finding, reading.image
    point, band = finding.operating_point, finding.operating_point.indeterminate
    between = f", indeterminate from {score(band[0])} to {score(band[1])}" if band else ""
    facts = [("Probability of pneumonia", score(finding.probability))] if is_known else []
    return [
        *facts,
        ("Operating point", f"{point.name}: threshold {score(point.threshold)}{between}"),
        ("Model", finding.model.id),
        ("Weights SHA-256", finding.model.sha256),
        ("Reading", reading.id),
        ("Image", f"{image.format}, {image.width} × {image.height} pixels"),
        ("File SHA-256", image.sha256),
    ]
