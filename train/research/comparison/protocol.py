"""Which films an entry is trained and measured on: as its paper did it, and split by patient."""

from dataclasses import replace
from enum import StrEnum

from pneumonia.errors import RecipeError
from train.data.splits import HELD_OUT, VALIDATION
from train.recipes.recipe import Recipe
from train.recipes.sections import Split
from train.research.comparison.plan import Entry

#: The same patients validate whatever the recipe, so that figures stand beside one another.
BY_PATIENT = Split(fraction=0.12, seed=2026)
TEST = "test"  # the official test films, where the folder has them


class Protocol(StrEnum):
    PAPER = "paper"
    PATIENT = "by-patient"


def recipe_for(entry: Entry, protocol: Protocol) -> Recipe:
    """The entry's recipe with the split of the protocol."""
    if protocol is Protocol.PAPER:
        return entry.recipe
    return replace(entry.recipe, split=BY_PATIENT)


def is_shared(entry: Entry) -> bool:
    """Whether the paper's protocol is the split by patient, so that one training serves both."""
    return entry.recipe.split == BY_PATIENT


def figure_part(entry: Entry, protocol: Protocol) -> str:
    """The part of the data that a protocol's figure comes from."""
    return entry.recipe.reported_on if protocol is Protocol.PAPER else VALIDATION


def is_same_figure(entry: Entry) -> bool:
    """Whether both protocols are one training, measured on the same films."""
    return is_shared(entry) and figure_part(entry, Protocol.PAPER) == VALIDATION


def needs_official_test(entry: Entry, protocol: Protocol) -> bool:
    """Whether a protocol's figure cannot be had without the official test films."""
    scheme = recipe_for(entry, protocol).split.scheme
    return scheme == "resplit" or figure_part(entry, protocol) == TEST


def check(entry: Entry) -> None:
    """Raises RecipeError where the paper's figure is of a part that its split does not make."""
    part, split = entry.recipe.reported_on, entry.recipe.split
    if part == HELD_OUT and not keeps_radiographs_apart(split):
        raise RecipeError(
            f"{entry.name}: reported_on is {part}, but its split keeps no films apart beside those "
            "of validation. Give split.test, or another reported_on (validation, test)."
        )
    if part == TEST and split.scheme == "resplit":
        raise RecipeError(
            f"{entry.name}: reported_on is {part}, but its split validates on half of the official "
            f"test films. Set reported_on to {HELD_OUT}: the other half."
        )


def measured_on(entry: Entry, protocol: Protocol, *, has_test: bool) -> tuple[str, ...]:
    """The parts of the data that a training is measured on.

    Parameters
    ----------
    has_test
        Whether the folder has the official test films.
    """
    split = recipe_for(entry, protocol).split
    # By patient it is trained on train and val alone: the official test films are new to it.
    official = protocol is Protocol.PATIENT or figure_part(entry, protocol) == TEST
    there = {
        VALIDATION: True,
        HELD_OUT: keeps_radiographs_apart(split),
        TEST: official and has_test,
    }
    return tuple(part for part, measured in there.items() if measured)


def keeps_radiographs_apart(split: Split) -> bool:
    """Whether it holds out films beside those of validation."""
    return split.scheme == "resplit" or (split.scheme == "ratio" and split.test > 0)


def describe(split: Split) -> str:
    """In words: ``70/20/10 by film``."""
    if split.scheme == "resplit":
        return f"val + test halved by {split.by}"
    shares = [1 - split.fraction - split.test, split.fraction] + [split.test] * (split.test > 0)
    return f"{'/'.join(f'{100 * share:.0f}' for share in shares)} by {split.by}"
