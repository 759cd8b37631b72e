"""Settings as they are typed, and as TOML again."""

import tomllib

import pytest

from pneumonia.errors import RecipeError
from train.recipes import dotted


def test_values_are_toml_and_plain_words_need_no_quotes() -> None:
    found = dotted.parse(
        ["training.epochs=3", "optimiser.name = adam", "network.hidden=[50, 20]", "a.b=1e-3",
         "network.until=Mixed_7a", "network.architecture=resnet50-v1", "x=true", 'y="a b"',
         "training.epochs=4"]
    )  # fmt: skip
    assert found == {
        "training.epochs": 4, "optimiser.name": "adam", "network.hidden": [50, 20], "a.b": 0.001,
        "network.until": "Mixed_7a", "network.architecture": "resnet50-v1", "x": True, "y": "a b",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["training.epochs", "=3"])
def test_what_is_no_setting_is_said(text) -> None:
    with pytest.raises(RecipeError, match=r"must be KEY=VALUE.*training\.epochs=3"):
        dotted.parse([text])


@pytest.mark.parametrize("value", ["", "[1, 2", "two words", "1\nb = 2"])
def test_what_is_no_value_is_said(value) -> None:
    with pytest.raises(RecipeError, match="The value of a is not TOML"):
        dotted.parse([f"a={value}"])


def test_tables_and_back() -> None:
    changes = {
        "network.hidden": (50,), "title": 'a "b"\nc', "optimiser.name": "adam",
        "optimiser.head_rate": 1e-05, "augmentation.flip": True,
    }  # fmt: skip
    values = tomllib.loads(dotted.as_tables(changes))
    assert dotted.flatten(values) == changes | {"network.hidden": [50]}
    assert dotted.as_words({"a.b": 0.1, "c": "word", "d": ""}) == 'a.b = 0.1, c = word, d = ""'
