"""The two splits that an entry is trained under: as its paper did it, and by patient."""

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Training:
    """An entry under one of the two protocols.

    Raises
    ------
    RecipeError
        Where the paper's figure is of a part of the data that its split does not make.
    """

    entry: Entry
    protocol: Protocol

    def __post_init__(self) -> None:
        part, split = self.entry.recipe.reported_on, self.entry.recipe.split
        if part == HELD_OUT and not split.holds_out:
            raise RecipeError(
                f"{self.entry.name}: reported_on is {part}, but its split keeps no films apart "
                "beside those of validation. Give split.test, or another reported_on (validation, "
                "test)."
            )
        if part == TEST and split.scheme == "resplit":
            raise RecipeError(
                f"{self.entry.name}: reported_on is {part}, but its split validates on half of the "
                f"official test films. Set reported_on to {HELD_OUT}: the other half."
            )

    @property
    def recipe(self) -> Recipe:
        """The entry's recipe with the split of the protocol."""
        recipe = self.entry.recipe
        return recipe if self.protocol is Protocol.PAPER else replace(recipe, split=BY_PATIENT)

    @property
    def figure_part(self) -> str:
        """The part of the data that the protocol's figure comes from."""
        return self.recipe.reported_on if self.protocol is Protocol.PAPER else VALIDATION

    @property
    def needs_official_test(self) -> bool:
        """Whether the protocol's figure cannot be had without the official test films."""
        return self.recipe.split.scheme == "resplit" or self.figure_part == TEST

    def parts(self, *, has_test: bool) -> tuple[str, ...]:
        """The parts of the data that it is measured on.

        Parameters
        ----------
        has_test
            Whether the folder has the official test films.
        """
        # By patient it is trained on train and val alone: the official test films are new to it.
        official = self.protocol is Protocol.PATIENT or self.figure_part == TEST
        there = {
            VALIDATION: True,
            HELD_OUT: self.recipe.split.holds_out,
            TEST: official and has_test,
        }
        return tuple(part for part, measured in there.items() if measured)


def is_shared(entry: Entry) -> bool:
    """Whether the paper's protocol is the split by patient, so that one training serves both."""
    return entry.recipe.split == BY_PATIENT
