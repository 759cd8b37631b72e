"""Which films an entry is trained and measured on: as its paper did it, and split by patient."""

from dataclasses import replace
from enum import StrEnum

from train.comparison.plan import Entry
from train.data.splits import HELD_OUT, VALIDATION
from train.recipes.recipe import Recipe
from train.recipes.sections import Split

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


def needs_official_test(split: Split) -> bool:
    """Whether a protocol's figure cannot be had without the official test films."""
    return split.scheme in ("official", "resplit")


def measured_on(split: Split) -> tuple[str, ...]:
    """The parts of the data that a protocol is measured on; the last one is its figure."""
    if split.scheme == "official":
        return (TEST,)
    held_out = split.scheme == "resplit" or split.test > 0
    return (VALIDATION, HELD_OUT) if held_out else (VALIDATION,)


def describe(split: Split) -> str:
    """In words: ``70/20/10 by film, held-out part``."""
    if split.scheme == "official":
        return "official folders, test"
    if split.scheme == "resplit":
        return f"val + test halved by {split.by}, held-out half"
    shares = [1 - split.fraction - split.test, split.fraction] + [split.test] * (split.test > 0)
    part = "held-out part" if split.test else "validation"
    return f"{'/'.join(f'{100 * share:.0f}' for share in shares)} by {split.by}, {part}"
