"""Whose films an evaluation measures."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pneumonia.analysis.population import Population
from pneumonia.errors import DataError
from train.data.manifest import Row
from train.evaluate.population import choose_population

NOBODY = Population()


def card(**ages: tuple[int, int]):
    populations = {n: SimpleNamespace(population=Population(n, a)) for n, a in ages.items()}
    return SimpleNamespace(id="m", populations=populations)


BOTH = card(child=(1, 5), adult=(16, 120))


def row(population: str, file: str = "a.png") -> Row:
    return Row(file, Path("unread"), "test", "NORMAL", file, population=population)


def test_what_the_films_say_decides() -> None:
    rows = [row("child"), row("", "b.png")]
    assert choose_population(BOTH, rows, NOBODY) == ("child", tuple(rows))


def test_else_what_is_declared_of_the_whole_set() -> None:
    rows = [row("")]
    assert choose_population(BOTH, rows, Population("c", (1, 5)))[0] == "child"
    assert choose_population(BOTH, rows, Population("c", (40, 60)))[0] == "adult"
    for nothing in (Population("c", (3, 60)), NOBODY):
        assert choose_population(BOTH, rows, nothing) == ("", tuple(rows))


def test_of_several_one_is_measured_at_a_time() -> None:
    rows = [row("child"), row("adult", "b.png"), row("", "c.png")]
    assert choose_population(BOTH, rows, NOBODY) == ("", tuple(rows))
    assert choose_population(BOTH, rows, NOBODY, "adult") == ("adult", (rows[1], rows[2]))
    assert choose_population(BOTH, rows, NOBODY, "unknown") == ("", tuple(rows))


def test_what_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(DataError, match="does not know the population 'dog'; it has child, adult"):
        choose_population(BOTH, [row("")], NOBODY, "dog")
    with pytest.raises(DataError, match="None of the films is of the population 'adult'"):
        choose_population(BOTH, [row("child")], NOBODY, "adult")
    with pytest.raises(DataError, match="one calibration for all"):
        choose_population(card(), [row("child")], NOBODY, "child")


def test_a_model_with_one_calibration_reads_all() -> None:
    assert choose_population(card(), [row("child")], NOBODY) == ("", (row("child"),))
