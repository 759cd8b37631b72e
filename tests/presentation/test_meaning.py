"""What the pages say of a number, from the card's groups of films and its operating points."""

from types import SimpleNamespace
from typing import Any

import pytest

from pneumonia.analysis.finding import OperatingPoint
from pneumonia.analysis.frequency import Frequency
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
    Frequency(0.21, 0.7, 40, 13),
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
    return SimpleNamespace(probability=probability, operating_point=point, population="")


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
                "(13 of 40 films, scored 21 % to 70 %)."
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
            0.8,
            (
                "No film of the validation data scored near this one: the number rests on the "
                "curve fitted through the others."
            ),
        ),
    ],
)
def test_radiographs_scored_alike_are_counted(probability: float, said: str) -> None:
    assert plain(say_frequency(probability, GROUPS)) == said


def test_the_share_that_it_all_rests_on_is_told() -> None:
    assert plain(say_prevalence(GROUPS)) == (
        "45 % of the 161 films show pneumonia. Where it is rarer, fewer of the films scored like "
        "this one show it."
    )


def test_nothing_is_said_without_a_count() -> None:
    assert say_frequency(0.5, ()) is None
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
    said = "screening (from 10 %) pneumonia; confirming (from 90 %) indeterminate"
    assert plain(say_others(found)) == said
    assert is_disputed(found)
    assert not is_disputed(found[:2])


@pytest.mark.parametrize("known", [None, card(SCREENING, OperatingPoint("balanced", 0.6))])
def test_points_of_another_card_say_nothing_of_this_reading(known: Any) -> None:
    found = find_calls(finding(0.4, BALANCED), known)
    assert found == [Call(BALANCED, "normal", True)]
    assert say_others(found) is None


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
