"""What the pages say of a number, from the card's groups of films and its operating points."""

from types import SimpleNamespace
from typing import Any

import pytest

from pneumonia.analysis.finding import Label, OperatingPoint
from pneumonia.analysis.frequency import Frequency, find_frequency
from pneumonia.presentation.calls import Call, find_calls
from pneumonia.presentation.describe import score
from pneumonia.presentation.meaning import (
    is_disputed,
    merge_alike,
    say_frequency,
    say_others,
    say_prevalence,
)

GROUPS = (
    Frequency(0.001, 0.004, 30, 0),
    Frequency(0.005, 0.2, 30, 0),
    Frequency(0.21, 0.4, 40, 13),
    Frequency(0.9, 0.994, 30, 29),
    Frequency(0.996, 0.999, 31, 31),
)
SCREENING = OperatingPoint("screening", 0.1, (0.05, 0.2))
BALANCED = OperatingPoint("balanced", 0.5)
CONFIRMING = OperatingPoint("confirming", 0.9, (0.5, 0.95))


def plain(sentence: str | None) -> str:
    assert sentence is not None
    return sentence.replace("\N{NO-BREAK SPACE}", " ")


def finding(probability: float, point: OperatingPoint) -> Any:
    return SimpleNamespace(
        label=point.label(probability),
        probability=probability,
        operating_point=point,
        population="",
    )


def card(*points: OperatingPoint) -> Any:
    own = SimpleNamespace(operating_points={point.name: point for point in points})
    return SimpleNamespace(calibration_of=lambda population: own)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (
            0.3,
            (
                "Of 100 films scored like this one, about 32 show pneumonia in the validation data "
                "(13 of 40 films, scored 21 % to 40 %)."
            ),
        ),
        (
            0.0,
            (
                "Of 100 films scored like this one, hardly any show pneumonia in the validation "
                "data (0 of 30 films, scored < 1 %)."
            ),
        ),
        (
            0.9999,
            (
                "Of 100 films scored like this one, nearly all show pneumonia in the validation "
                "data (31 of 31 films, scored > 99 %)."
            ),
        ),
        (
            0.85,
            (
                "Of 100 films scored like this one, about 97 show pneumonia in the validation data "
                "(29 of 30 films, scored 90 % to 99 %)."
            ),
        ),
    ],
)
def test_radiographs_scored_alike_are_counted(probability: float, said: str) -> None:
    assert plain(say_frequency(finding(probability, BALANCED), GROUPS)) == said


def test_a_wide_group_says_nothing_of_one_film() -> None:
    # As a card once had it: "Pneumonia 76 %" beside "about 30 of 100 show pneumonia".
    groups = (Frequency(0.0, 0.09, 30, 0), Frequency(0.10, 0.78, 30, 9), Frequency(0.9, 1, 30, 30))
    for probability in (0.2, 0.5, 0.76):
        assert say_frequency(finding(probability, BALANCED), groups) is None


def test_a_frequency_never_lies_on_the_other_side_of_the_label() -> None:
    groups = (Frequency(0.0, 0.3, 30, 2), Frequency(0.45, 0.6, 30, 12), Frequency(0.65, 0.8, 9, 3))
    for hundredth in range(101):
        one = finding(hundredth / 100, BALANCED)
        said = say_frequency(one, groups)
        group = find_frequency(groups, one.probability)
        assert group is not None
        if said is not None:
            assert (group.per_hundred >= 50) == (one.label is Label.PNEUMONIA)
    assert say_frequency(finding(0.55, BALANCED), groups) is None
    assert say_frequency(finding(0.5, OperatingPoint("balanced", 0.5, (0.4, 0.7))), groups)


def test_the_share_that_it_all_rests_on_is_told() -> None:
    assert plain(say_prevalence(GROUPS)) == (
        "45 % of the 161 films show pneumonia. Where it is rarer, fewer of the films scored like "
        "this one show it."
    )


def test_nothing_is_said_without_a_count() -> None:
    assert say_frequency(finding(0.5, BALANCED), ()) is None
    assert say_prevalence(()) is None


def test_groups_of_one_kind_are_one_line_and_no_radiograph_is_lost() -> None:
    assert merge_alike(GROUPS) == [Frequency(0.001, 0.2, 60, 0), *GROUPS[2:]]
    same = (Frequency(0.1, 0.2, 30, 15), Frequency(0.3, 0.4, 30, 15))
    assert merge_alike(same) == list(same)


def test_every_point_calls_the_radiograph_and_one_decides() -> None:
    found = find_calls(finding(0.6, BALANCED), card(CONFIRMING, SCREENING, BALANCED))
    assert found == [
        Call(SCREENING, "pneumonia", False),
        Call(BALANCED, "pneumonia", True),
        Call(CONFIRMING, "indeterminate", False),
    ]
    said = ["screening (from 10 %) pneumonia", "confirming (from 90 %) indeterminate"]
    assert [plain(one) for one in say_others(found)] == said
    assert is_disputed(found)
    assert not is_disputed(found[:2])


@pytest.mark.parametrize("known", [None, card(SCREENING, OperatingPoint("balanced", 0.6))])
def test_points_of_another_card_say_nothing_of_this_reading(known: Any) -> None:
    found = find_calls(finding(0.4, BALANCED), known)
    assert found == [Call(BALANCED, "normal", True)]
    assert say_others(found) == []


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0.0000"),
        (0.00009, "< 0.0001"),
        (0.12345, "0.1235"),
        (0.99991, "> 0.9999"),
        (1.0, "1.0000"),
    ],
)
def test_a_figure_never_rounds_to_certainty(probability: float, text: str) -> None:
    assert score(probability) == text
