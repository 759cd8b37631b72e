"""Plans as people write them, right and wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from pneumonia.errors import RecipeError
from tests.train.small import write_recipe
from train.research.comparison import plan


def write(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_a_recipe_with_its_changes(tmp_path) -> None:
    recipe = write_recipe(tmp_path)
    path = write(
        tmp_path,
        f"""\
init_weights = "none"

[[entry]]
recipe = "{recipe}"

[[entry]]
name = "small-adagrad"
recipe = "{recipe}"
set = {{ "training.epochs" = 1, optimiser = {{ name = "adagrad" }} }}
init_weights = "imagenet"
note = "one epoch"
""",
    )
    plain, changed = plan.load(path, "imagenet")
    assert (plain.name, plain.init_weights, plain.changes, plain.note) == ("small", "none", {}, "")
    assert (changed.name, changed.init_weights) == ("small-adagrad", "imagenet")
    assert changed.changes == {"training.epochs": 1, "optimiser.name": "adagrad"}
    assert changed.recipe.training.epochs == 1
    assert changed.recipe.optimiser.name == "adagrad"
    assert changed.planned_epochs == 2
    assert changed.note == "one epoch"


def test_recipes_by_name_are_a_plan_too() -> None:
    first, second = plan.of_recipes(["pneunet", "resnet18"], "weights.safetensors")
    assert (first.name, second.name) == ("pneunet", "resnet18")
    assert first.init_weights == str(Path("weights.safetensors").resolve())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"must hold \[\[entry\]\] tables"),
        ("entries = 3", r"beside them; it has 'entries'"),
        ("[[entry]]\nname = 'a'", "Entry 1 of the plan must name a recipe"),
        ("[[entry]]\nrecipe = 'pneunet'\nsets = 1", r"Entry 1 .*pneunet.*unknown key 'sets'"),
        ("[[entry]]\nrecipe = 'absent'", r"\(absent\): There is no recipe 'absent'"),
        ("[[entry]]\nrecipe = 'lungs'", "lungs trains the lung network"),
        ("[[entry]]\nrecipe = 'pneunet'\nname = 'a/b'", "the name 'a/b' cannot name a folder"),
        ("[[entry]]\nrecipe = 'pneunet'\n" * 2, "2 entries of the plan are called 'pneunet'"),
        (
            "[[entry]]\nrecipe = 'pneunet'\nset = { training.epochs = 0 }",
            r"\(pneunet\): .*epochs is 0; it must be at least 1",
        ),
        ("[[entry]", "is not valid TOML"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_trained(tmp_path, text, said) -> None:
    with pytest.raises(RecipeError, match=said):
        plan.load(write(tmp_path, text), "none")


def test_a_missing_plan_is_a_sentence(tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"plan .*absent\.toml cannot be read"):
        plan.load(tmp_path / "absent.toml", "none")


def test_a_changed_network_is_not_taken_for_the_papers() -> None:
    cut = {"network.until": "Mixed_7a", "training.epochs": 3}
    other = {"training.views": 1, "network.until": "denseblock3", "network.architecture": "d169"}
    (entry,) = plan.of_recipes(["pneunet"], "none")
    assert replace(entry, changes=cut).shown == "pneunet (until Mixed_7a)"
    assert replace(entry, changes=other).shown == "pneunet (d169, until denseblock3)"
    assert replace(entry, changes={"training.epochs": 3}).shown == "pneunet"
