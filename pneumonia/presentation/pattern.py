"""Bacterial or viral: said of a film called pneumonia only, and never without a caution."""

from typing import TYPE_CHECKING, Any

from pneumonia.analysis.finding import Finding, Label, Pattern

if TYPE_CHECKING:  # it brings torch with it
    from pneumonia.analysis.bundle import Card


def find_pattern(finding: Finding) -> Pattern | None:
    """The pattern to show; None where the film is not called pneumonia or the model tells none."""
    return finding.pattern if finding.label is Label.PNEUMONIA else None


def say_caution(card: "Card | None") -> str:
    """How far the pattern can be trusted, by the card of the model that made the reading."""
    pattern = card.pattern if card else None
    measured = (
        f"on the validation films the pattern was right for {pattern.correct} of "
        f"{pattern.radiographs} pneumonias"
        if pattern
        else "how often the pattern is right is not known of a model that is no longer served"
    )
    return f"Unreliable: {measured}. Do not choose treatment by it."


def describe_pattern(finding: Finding, card: "Card | None") -> dict[str, Any] | None:
    """As the API and the command line tell it."""
    pattern = find_pattern(finding)
    if pattern is None:
        return None
    return {
        "label": pattern.label.value,
        "confidence": float(pattern.probability),
        "caution": say_caution(card),
    }
