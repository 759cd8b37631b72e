"""Whose films an evaluation measures: one population at a time, by its own calibration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumonia.analysis.population import Population
from pneumonia.errors import DataError
from train.data.manifest import Row

if TYPE_CHECKING:
    from pneumonia.analysis.card import Card

UNKNOWN = "unknown"


def choose_population(
    card: "Card", rows: Sequence[Row], declared: Population, given: str = ""
) -> tuple[str, tuple[Row, ...]]:
    """The population to read as, and its films.

    Parameters
    ----------
    rows
        Films that say whose they are are left out where they are another population's.
    declared
        Of the whole data set; its ages tell where the films do not.
    given
        A name of the card's, or ``unknown``: all the films, read as if nobody said whose they are.

    Returns
    -------
    The name is empty for a model with one calibration for all, for ``unknown``, and where the data
    does not say whose the films are, or they are of several.

    Raises
    ------
    DataError
        When the model does not know the population given, or no film is of it.
    """
    known = ", ".join(card.populations)
    if not card.populations:
        if given not in ("", UNKNOWN):
            raise DataError(
                f"The model {card.id!r} has one calibration for all; leave --population out."
            )
        return "", tuple(rows)
    if given == UNKNOWN:
        return "", tuple(rows)
    found = {row.population for row in rows} & set(card.populations) or _of_ages(card, declared)
    if not given and len(found) != 1:
        return "", tuple(rows)
    name = given or found.pop()
    if name not in card.populations:
        raise DataError(
            f"The model {card.id!r} does not know the population {name!r}; it has {known}."
        )
    chosen = tuple(row for row in rows if row.population in ("", name))
    if not chosen:
        raise DataError(f"None of the films is of the population {name!r}.")
    return name, chosen


def _of_ages(card: "Card", declared: Population) -> set[str]:
    """The populations that people of the declared ages belong to."""
    if declared.age_years is None:
        return set()
    low, high = declared.age_years
    return {
        name
        for name, own in card.populations.items()
        if own.population.holds(low) and own.population.holds(high)
    }
