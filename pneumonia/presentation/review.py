"""What a clinician said of a reading, beside what the model said: in words and in JSON."""

from enum import StrEnum
from typing import Any

from pneumonia.analysis.finding import Finding
from pneumonia.phrases import phrase
from pneumonia.presentation.describe import show_verdict, timestamp
from pneumonia.records import Opinion, OtherFinding, Review, Verdict


class Agreement(StrEnum):
    AGREE = "agree"
    DISAGREE = "disagree"


OPINIONS = {
    Opinion.PNEUMONIA: phrase("pneumonia"),
    Opinion.NO_PNEUMONIA: phrase("no pneumonia"),
    Opinion.UNSURE: phrase("unsure"),
}
_ALONE = {
    Opinion.PNEUMONIA: phrase("Pneumonia"),
    Opinion.NO_PNEUMONIA: phrase("No pneumonia"),
    Opinion.UNSURE: phrase("Unsure"),
}
OTHER_FINDINGS = {
    OtherFinding.EFFUSION: phrase("Pleural effusion"),
    OtherFinding.PNEUMOTHORAX: phrase("Pneumothorax"),
    OtherFinding.ATELECTASIS: phrase("Atelectasis"),
    OtherFinding.CARDIOMEGALY: phrase("Cardiomegaly"),
    OtherFinding.NODULE_OR_MASS: phrase("Nodule or mass"),
    OtherFinding.FRACTURE: phrase("Fracture"),
    OtherFinding.LINE_OR_TUBE: phrase("Line or tube"),
    OtherFinding.OTHER: phrase("Other, see the note"),
}
_SAID = {Verdict.PNEUMONIA: Opinion.PNEUMONIA, Verdict.NORMAL: Opinion.NO_PNEUMONIA}


def judge(finding: Finding, opinion: Opinion) -> Agreement | None:
    """Whether the clinician agrees; None where either is unsure, or the model was not to be asked.

    A normal verdict is taken for what the model can mean by it: no pneumonia.
    """
    said = _SAID.get(show_verdict(finding))
    if said is None or opinion is Opinion.UNSURE:
        return None
    return Agreement.AGREE if opinion is said else Agreement.DISAGREE


def say_opinion(finding: Finding, opinion: Opinion) -> str:
    """ "Agree: pneumonia", "Disagree: no pneumonia", "Unsure"; "Pneumonia" where none was said."""
    word = OPINIONS[opinion]
    match judge(finding, opinion):
        case Agreement.AGREE:
            return phrase(f"Agree: {word}")
        case Agreement.DISAGREE:
            return phrase(f"Disagree: {word}")
    return _ALONE[opinion]


def say_choices(finding: Finding) -> list[tuple[str, str]]:
    """The opinions to choose from, what the model said first."""
    first = _SAID.get(show_verdict(finding), Opinion.PNEUMONIA)
    ordered = sorted(Opinion, key=lambda one: (one is Opinion.UNSURE, one is not first))
    return [(one.value, say_opinion(finding, one)) for one in ordered]


def describe_opinion(finding: Finding, opinion: Opinion | None) -> dict[str, Any] | None:
    """The last opinion as a list shows it; None where nobody reviewed the reading."""
    if opinion is None:
        return None
    agreement = judge(finding, opinion)
    return {"opinion": opinion.value, "agreement": agreement and agreement.value}


def describe_review(finding: Finding, review: Review) -> dict[str, Any]:
    """A review as the API tells it."""
    agreement = judge(finding, review.opinion)
    return {
        "created_at": timestamp(review.created_at),
        "reviewer": review.reviewer,
        "opinion": review.opinion.value,
        "agreement": agreement and agreement.value,
        "findings": [one.value for one in review.findings],
        "note": review.note,
    }
