"""What a reading's number means, in words, by the card of the model that made it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumonia.analysis.finding import Finding, Label
from pneumonia.analysis.frequency import Frequency, find_frequency
from pneumonia.phrases import phrase
from pneumonia.presentation.calls import Call
from pneumonia.presentation.describe import percent

if TYPE_CHECKING:
    from pneumonia.analysis.card import Card


def find_use(card: "Card | None") -> str | None:
    """The card's sentence on what its model is for; None without one."""
    return _sentence(card, "intended_use")


def say_population(finding: Finding, card: "Card | None") -> str | None:
    """Whose films the answer holds for; None without a card."""
    if card is None:
        return None
    if card.populations:
        return _say_which(finding.population, card)
    if not card.population.text:
        return (
            "The model's card does not say whose films it was trained on: whether the answer holds "
            "for this patient is not known."
        )
    age = " A film does not tell the age." if card.population.age_years else ""
    return phrase(f"For films of {card.population.text}: not for others.{age}")


def _say_which(name: str, card: "Card") -> str:
    if name not in card.populations:
        known = " or ".join(one.population.text for one in card.populations.values())
        return (
            f"Whose film it is was not said ({known}), and a film does not tell: where the limits "
            "for these differ, it is called indeterminate."
        )
    return f"Read by the limits for films of {card.calibration_of(name).population.text}."


def _sentence(card: "Card | None", name: str) -> str | None:
    text = card.raw.get(name) if card else None
    return text if isinstance(text, str) and text else None


WIDEST_GROUP = 0.2
"""Of films told as one frequency: a wider group says nothing of a film within it."""


def say_frequency(finding: Finding, groups: Sequence[Frequency]) -> str | None:
    """How often films scored like this one show pneumonia.

    None where no films were counted, where those nearest are scored too differently to speak for
    this one, and where their frequency lies on the other side of the operating point than the
    label: the page would contradict itself.
    """
    label, point = finding.label, finding.operating_point
    group = find_frequency(groups, finding.probability)
    if group is None or group.high - group.low > WIDEST_GROUP:
        return None
    share = group.pneumonia / group.n
    says_pneumonia = share >= point.threshold
    if label is not Label.INDETERMINATE and says_pneumonia != (label is Label.PNEUMONIA):
        return None
    low, high = _percent(group.low), _percent(group.high)
    if low == high:
        return (
            f"Of 100 films scored like this one, {_of_hundred(group)} show pneumonia in the "
            f"validation data ({group.pneumonia} of {group.n} films, scored {low})."
        )
    return (
        f"Of 100 films scored like this one, {_of_hundred(group)} show pneumonia in the "
        f"validation data ({group.pneumonia} of {group.n} films, scored {low} to {high})."
    )


def say_prevalence(groups: Sequence[Frequency]) -> str | None:
    """What share of all films counted show pneumonia, on which every probability rests."""
    if not groups:
        return None
    radiographs = sum(group.n for group in groups)
    share = _percent(sum(group.pneumonia for group in groups) / radiographs)
    return (
        f"{share} of the {radiographs} films show pneumonia. Where it is rarer, fewer of the films "
        "scored like this one show it."
    )


def _of_hundred(group: Frequency) -> str:
    if group.per_hundred == 0:
        return phrase("hardly any")
    if group.per_hundred == 100:
        return phrase("nearly all")
    return phrase(f"about {group.per_hundred}")


def _percent(share: float) -> str:
    """As everywhere; no line breaks before the sign."""
    return percent(share).replace(" ", "\N{NO-BREAK SPACE}")


_LABELS = {
    Label.NORMAL: phrase("normal"),
    Label.PNEUMONIA: phrase("pneumonia"),
    Label.INDETERMINATE: phrase("indeterminate"),
}


def say_others(calls: Sequence[Call]) -> list[str]:
    """What each of the operating points that do not decide calls the film."""
    return [
        phrase(f"{call.point.name} (from {_percent(call.point.threshold)}) {_LABELS[call.label]}")
        for call in calls
        if not call.decides
    ]


def is_disputed(calls: Sequence[Call]) -> bool:
    """Whether the operating points differ on the film."""
    return len({call.label for call in calls}) > 1


def merge_alike(groups: Sequence[Frequency]) -> list[Frequency]:
    """Neighbouring groups in which all films show pneumonia, or none, as one: a shorter table."""
    merged: list[Frequency] = []
    for group in groups:
        before = merged[-1] if merged else None
        if before and group.pneumonia / group.n == before.pneumonia / before.n in (0, 1):
            merged[-1] = Frequency(
                before.low, group.high, before.n + group.n, before.pneumonia + group.pneumonia
            )
        else:
            merged.append(group)
    return merged
