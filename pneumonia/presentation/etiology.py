"""Bacterial or viral: said of a film called pneumonia only, and never without a caution."""

from typing import TYPE_CHECKING, Any

from pneumonia.analysis.finding import EtiologyFinding, Finding, Label
from pneumonia.phrases import phrase

if TYPE_CHECKING:  # it brings torch with it
    from pneumonia.analysis.card import Card


def find_etiology(finding: Finding) -> EtiologyFinding | None:
    """The etiology to show; None where the film is not called pneumonia or the model tells none."""
    return finding.etiology if finding.label is Label.PNEUMONIA else None


def say_caution(card: "Card | None") -> str:
    """How far the etiology can be trusted, by the card of the model that made the reading."""
    etiology = card.etiology if card else None
    measured = (
        phrase(
            f"on the validation films the etiology was right for {etiology.correct} of "
            f"{etiology.radiographs} pneumonias"
        )
        if etiology
        else phrase(
            "how often the etiology is right is not known of a model that is no longer served"
        )
    )
    return f"Unreliable: {measured}. Do not choose treatment by it."


def describe_etiology(finding: Finding, card: "Card | None") -> dict[str, Any] | None:
    """As the API and the command line tell it."""
    etiology = find_etiology(finding)
    if etiology is None:
        return None
    return {
        "label": etiology.label.value,
        "confidence": float(etiology.probability),
        "caution": say_caution(card),
    }
