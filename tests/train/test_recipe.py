import json
from dataclasses import asdict

import pytest

from pneumonia.errors import RecipeError
from train import recipe
from train.recipe import LungRecipe, Recipe


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_that_ships_loads_and_survives_json(name) -> None:
    own = recipe.load(name)
    assert own.name == name
    assert own.paper
    assert own.reported
    read = recipe.lung_recipe if isinstance(own, LungRecipe) else Recipe.from_dict
    assert read(json.loads(json.dumps(asdict(own)))) == own


def test_pneunet_is_the_papers() -> None:
    own = recipe.load("pneunet")
    assert own.network.architecture.startswith("resnet50")
    assert own.network.hidden == (50,)
    assert own.network.dropout == 0.5
    assert own.training.trainable == "head"
    assert (own.training.batch_size, own.training.epochs) == (16, 100)
    assert own.training.patience > 0
    assert own.optimiser.name == "rmsprop"
    assert (own.loss.name, own.loss.alpha, own.loss.gamma) == ("focal", 0.25, 2.0)
    assert own.augmentation.flip == 0.5
    assert own.augmentation.rotation_degrees > 0


def test_default_trains_all_and_mirrors_nothing() -> None:
    own = recipe.load("default")
    assert own.training.trainable == "all"
    assert own.augmentation.flip == 0
    assert own.optimiser.learning_rate < own.optimiser.fresh_rate < own.optimiser.head_rate


def test_overrides() -> None:
    own = recipe.load("default").with_options(epochs=3, batch_size=None)
    assert own.training.epochs == 3
    assert own.training.batch_size == 32


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'resnet'\. Known: default, lungs, pneunet"):
        recipe.load("resnet")


def test_a_recipe_of_ones_own(tmp_path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((recipe.FOLDER / "default.toml").read_text())
    assert recipe.load(str(own)).name == "mine"


def broken(**changes):
    values = recipe.load("default").as_dict()
    for path, value in changes.items():
        *tables, key = path.split("__")
        table = values
        for name in tables:
            table = table[name]
        table[key] = value
    return values


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss__delta": 1.0}, "loss: unknown key 'delta'. Known: alpha, gamma"),
        ({"training__epochs": "seven"}, "training: epochs is 'seven'; it must be a int"),
        ({"training__epochs": True}, "epochs is True"),
        ({"optimiser__name": "sgdx"}, "name is 'sgdx'; it must be one of adamw, rmsprop"),
        ({"preprocess__size": 8}, "size must be 32 to 2048"),
        ({"network": 3}, "network must be a table"),
        ({"training__epochs": 0}, "training: epochs is 0; it must be at least 1"),
        ({"training__average_decay": 1.0}, r"average_decay is 1.0; it must be in \[0, 1\)"),
        ({"split__fraction": 1.5}, "split: fraction is 1.5; it must be between 0 and 1"),
        ({"loss": {"alpha": 0.3}}, "missing 1 required positional argument: 'gamma'"),
    ],
)
def test_a_wrong_value_is_named(changes, said) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.from_dict(broken(**changes))


@pytest.mark.parametrize(
    ("table", "key"),
    [("augmentation", "covered"), ("supervision", "covered"), ("supervision", "outside")],
)
def test_a_frozen_body_is_not_taught_what_its_features_do_not_hold(table, key) -> None:
    off = ("augmentation__covered", "supervision__covered", "supervision__outside")
    changes = dict.fromkeys(off, 0.0) | {"training__trainable": "head"}
    assert Recipe.from_dict(broken(**changes)).training.trainable == "head"
    said = rf'{table}\.{key} is 0\.5; it needs training\.trainable = "all"'
    with pytest.raises(RecipeError, match=said):
        Recipe.from_dict(broken(**changes | {f"{table}__{key}": 0.5}))


def test_not_toml(tmp_path) -> None:
    (tmp_path / "x.toml").write_text("a = = 1")
    with pytest.raises(RecipeError, match=r"x\.toml is not valid TOML"):
        recipe.load(str(tmp_path / "x.toml"))
