import json
from dataclasses import asdict

import pytest

from pneumonia.errors import RecipeError
from train.recipes import recipe
from train.recipes.recipe import LungRecipe, Recipe


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
    assert own.optimiser.learning_rate < own.optimiser.new_layer_rate < own.optimiser.head_rate


def test_overrides() -> None:
    own = recipe.load("default").with_changes({"training.epochs": 3})
    assert own.training.epochs == 3
    assert own.training.batch_size == 32


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'resnet'\. Known: default, densenet161, "):
        recipe.load("resnet")


def test_a_recipe_of_ones_own(tmp_path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((recipe.FOLDER / "default.toml").read_text())
    assert recipe.load(str(own)).name == "mine"


def test_a_recipe_on_top_of_another(tmp_path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('base = "default"\ntitle = "mine"\n[training]\nepochs = 2\n')
    found, base = recipe.load(str(own)), recipe.load("default")
    assert (found.name, found.title, found.training.epochs) == ("mine", "mine", 2)
    assert found.training.samples_per_epoch == base.training.samples_per_epoch
    assert found.optimiser == base.optimiser


def test_bases_in_a_circle(tmp_path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(f'base = "{own}"\n')
    with pytest.raises(RecipeError, match="has itself as its base"):
        recipe.load(str(own))


def test_changes_by_dotted_keys() -> None:
    base = recipe.load("default")
    changed = base.with_changes({"network.until": "layer3", "training.epochs": 3})
    assert (changed.network.until, changed.training.epochs) == ("layer3", 3)
    assert changed.training.batch_size == base.training.batch_size
    with pytest.raises(RecipeError, match="training: unknown key 'epoch'"):
        base.with_changes({"training.epoch": 3})
    with pytest.raises(RecipeError, match=r"title is \{'x': 1\}; it must be a str"):
        base.with_changes({"title.x": 1})


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
        ({"loss__delta": 1.0}, "loss: unknown key 'delta'. Known: name, alpha, gamma"),
        ({"training__epochs": "seven"}, "training: epochs is 'seven'; it must be a int"),
        ({"training__epochs": True}, "epochs is True"),
        ({"optimiser__name": "sgdx"}, "name is 'sgdx'; it must be one of adamw, adam, rmsprop"),
        ({"preprocess__size": 8}, "size must be 32 to 2048"),
        ({"network": 3}, "network must be a table"),
        ({"training__epochs": 0}, "training: epochs is 0; it must be at least 1"),
        ({"training__label_smoothing": 1.0}, r"label_smoothing is 1.0; it must be in \[0, 1\)"),
        ({"split__fraction": 1.5}, "split: fraction is 1.5; it must be between 0 and 1"),
        ({"loss": {"alpha": 0.3}}, "missing 1 required positional argument: 'name'"),
        ({"loss__class_weights": "balanced"}, "the focal loss weighs the classes by alpha"),
        ({"loss": {"name": "cross_entropy", "gamma": 2.0}}, "belong to the focal loss"),
        ({"network__outputs": 2}, "the loss focal does not fit 2 outputs: cross_entropy needs"),
        ({"network__outputs": 4}, "network.outputs is 4; it must be 1, 2 or 3"),
        ({"optimiser__momentum": 0.9}, "momentum belongs to sgd and rmsprop, not to adamw"),
        ({"schedule": {"name": "step"}}, "every is 0; it must be at least 1 epoch"),
        ({"training__unfreeze_after": 3}, "unfreeze_after and unfreeze_from belong together"),
        (
            {"training": {"epochs": 1, "batch_size": 2, "monitor": "none", "patience": 3}},
            "patience",
        ),
        (
            {"schedule": {"name": "constant", "warmup": 0.1}},
            "warmup belongs to the schedule cosine",
        ),
        ({"optimiser__weight_decay": -1.0}, "weight_decay is -1.0; it must be at least 0"),
        ({"optimiser__head_rate": float("inf")}, "head_rate is inf; it must be at least 0, and a"),
        ({"augmentation__flip": 7.0}, r"flip is 7.0; it must be in \[0, 1\]"),
        ({"supervision__outside": -7.0}, "outside is -7.0; it must be at least 0"),
        ({"network__dropout": 2.0}, r"network.dropout is 2.0; it must be in \[0, 1\)"),
        ({"network__hidden": [1.5]}, "network.hidden has 1.5; widths are whole numbers"),
        ({"training__samples_per_epoch": 1}, "it must be at least one of each of 2 classes"),
        (
            {"loss": {"name": "binary_cross_entropy", "class_weights": "balanced"}},
            "balanced already evens the classes out: leave loss.class_weights out",
        ),
        ({"split__test": 0.9}, "test is 0.9; it must be at least 0 and leave films to train on"),
        ({"figures": {"auc": 0.9}}, "unknown figure 'auc'; known are accuracy"),
        ({"figures": {"auroc": 1.9}}, r"figures.auroc is 1.9; it must be a number in \[0, 1\]"),
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
