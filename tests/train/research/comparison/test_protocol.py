"""The two splits that an entry is trained under, and where each is measured."""

from dataclasses import replace

import pytest

from pneumonia.errors import RecipeError
from train.recipes import recipe
from train.recipes.sections import Split
from train.research.comparison import plan
from train.research.comparison.protocol import BY_PATIENT, Protocol, Training, is_shared

BY_RADIOGRAPH = Split(fraction=0.2, test=0.1, by="film")
RESPLIT = Split(scheme="resplit", by="film")


def entry(split: Split, reported_on: str) -> plan.Entry:
    (made,) = plan.of_recipes(["pneunet"], "none")
    return replace(made, recipe=replace(made.recipe, split=split, reported_on=reported_on))


@pytest.mark.parametrize(
    ("split", "reported_on", "parts", "with_test", "needs_test"),
    [
        (BY_PATIENT, "validation", ("validation",), ("validation",), False),
        (BY_PATIENT, "test", ("validation",), ("validation", "test"), True),
        (BY_RADIOGRAPH, "held-out", ("validation", "held-out"), ("validation", "held-out"), False),
        (RESPLIT, "held-out", ("validation", "held-out"), ("validation", "held-out"), True),
    ],
)
def test_the_papers_protocol_is_measured_where_the_paper_reports(
    split, reported_on, parts, with_test, needs_test
) -> None:
    made = Training(entry(split, reported_on), Protocol.PAPER)
    assert made.figure_part == reported_on
    assert made.parts(has_test=False) == parts
    assert made.parts(has_test=True) == with_test
    assert made.needs_official_test is needs_test


def test_by_patient_it_is_validation_and_the_official_test_beside_it() -> None:
    made = Training(entry(RESPLIT, "held-out"), Protocol.PATIENT)
    assert made.figure_part == "validation"
    assert made.parts(has_test=False) == ("validation",)
    assert made.parts(has_test=True) == ("validation", "test")
    assert not made.needs_official_test


def test_a_figure_of_radiographs_that_are_not_kept_apart_is_refused() -> None:
    with pytest.raises(RecipeError, match="pneunet: reported_on is held-out, but its split keeps"):
        Training(entry(BY_PATIENT, "held-out"), Protocol.PAPER)
    with pytest.raises(RecipeError, match="validates on half of the official test films"):
        Training(entry(RESPLIT, "test"), Protocol.PAPER)


def test_where_the_papers_report() -> None:
    entries = plan.of_recipes([name for name in recipe.names() if name != "lungs"], "none")
    found: dict[str, set[str]] = {}
    for each in entries:
        part = Training(each, Protocol.PAPER).figure_part
        found.setdefault(part, set()).add(each.name.split("-")[0])
    assert found == {
        "validation": {"default"},
        "held-out": {"densenet161", "resnet18", "inception_v3", "xception"},
        "test": {"kermany2018", "pneunet", "vgg16", "resnext50", "googlenet", "xraychestnet"},
    }
    shared = [each for each in entries if is_shared(each)]
    assert [e.name for e in shared if e.recipe.reported_on == "validation"] == ["default"]


def test_by_patient_every_recipe_has_the_same_validation_patients() -> None:
    ours, published = plan.of_recipes(["pneunet", "inception_v3"], "none")
    assert is_shared(ours)
    assert not is_shared(published)
    assert Training(published, Protocol.PATIENT).recipe.split == BY_PATIENT
    assert Training(published, Protocol.PAPER).recipe.split.scheme == "resplit"
