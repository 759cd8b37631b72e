"""The two splits that an entry is trained under, and where each is measured."""

import pytest

from train.comparison import plan
from train.comparison.protocol import (
    BY_PATIENT,
    Protocol,
    describe,
    is_shared,
    measured_on,
    needs_official_test,
    recipe_for,
)
from train.recipes.sections import Split

SPLITS = {
    "88/12 by patient, validation": (Split(fraction=0.12, seed=2026), ("validation",), False),
    "70/20/10 by film, held-out part": (
        Split(fraction=0.2, test=0.1, by="film"), ("validation", "held-out"), False,
    ),
    "official folders, test": (Split(scheme="official"), ("test",), True),
    "val + test halved by film, held-out half": (
        Split(scheme="resplit", by="film"), ("validation", "held-out"), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", SPLITS)
def test_a_split_says_where_it_is_measured(words) -> None:
    split, parts, needs_test = SPLITS[words]
    assert describe(split) == words
    assert measured_on(split) == parts
    assert needs_official_test(split) is needs_test


def test_by_patient_every_recipe_has_the_same_validation_patients() -> None:
    ours, published = plan.of_recipes(["pneunet", "inception_v3"], "none")
    assert is_shared(ours)
    assert not is_shared(published)
    assert recipe_for(published, Protocol.PATIENT).split == BY_PATIENT
    assert recipe_for(published, Protocol.PAPER).split.scheme == "resplit"
