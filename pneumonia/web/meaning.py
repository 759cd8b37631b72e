"""What a reading's number means, in words, by the card of the model that made it."""

from collections.abc import Sequence

from pneumonia.analysis.frequency import Frequency, find_frequency
from pneumonia.web.calls import Call
from pneumonia.web.present import percent


def say_frequency(probability: float, groups: Sequence[Frequency]) -> str | None:
    """How often films scored like this one show pneumonia; None where no films were counted."""
    if not groups:
        return None
    films = sum(group.n for group in groups)
    share = sum(group.pneumonia for group in groups) / films
    rarer = (
        f"Of all {films} validation films, {percent(share)} show it; where pneumonia is rarer, "
        "fewer of the films scored so do."
    )
    group = find_frequency(groups, probability)
    if group is None:
        return (
            "No validation film scored near this one: the number rests on the curve fitted "
            f"through the others. {rarer}"
        )
    counted = f"{group.pneumonia} of {group.n} films, scored {_range(group)}"
    return (
        f"Of 100 films scored like this one, {_of_hundred(group)} show pneumonia in the "
        f"validation data ({counted}). {rarer}"
    )


def _of_hundred(group: Frequency) -> str:
    if group.per_hundred == 0:
        return "hardly any"
    return "nearly all" if group.per_hundred == 100 else f"about {group.per_hundred}"


def _range(group: Frequency) -> str:
    low, high = percent(group.low), percent(group.high)
    return low if low == high else f"{low} to {high}"


def say_others(calls: Sequence[Call]) -> str | None:
    """What the operating points that do not decide would call the film; None without others."""
    others = [call for call in calls if not call.decides]
    if not others:
        return None
    own = next(call.point.name for call in calls if call.decides)
    said = [
        f"{call.point.name} (from {percent(call.point.threshold)}) {call.label}" for call in others
    ]
    return f"{own.capitalize()} decides here. At the others this film would be: {'; '.join(said)}."


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
