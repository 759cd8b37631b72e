"""The spaces that ship: paper 003's 66 settings, and ranges for the default."""

import pytest

from pneumonia.errors import RecipeError
from train.research.comparison.protocol import BY_PATIENT
from train.research.search import space

ROWS = {  # figures 4 and 5: batch size, epochs, learning rate
    (64, 50, 0.01), (32, 50, 0.01), (64, 50, 0.1), (64, 50, 0.001), (64, 50, 0.0001),
    (64, 100, 0.01), (64, 200, 0.01), (1000, 200, 0.01), (1000, 200, 0.001),
    (1000, 400, 0.01), (1000, 400, 0.001),
}  # fmt: skip
DENSE = {(1024, 512), (1024, 512, 256, 128, 64), (1024, 512, 256, 128, 64, 32, 16, 8)}


@pytest.mark.parametrize(("name", "outputs"), [("inception_v3", 1), ("inception_v3-3", 3)])
def test_paper_003_is_a_grid_of_33(name, outputs) -> None:
    found = space.load(name)
    assert found.size == 33
    recipe = space.base(found, {})
    assert recipe.network.outputs == outputs
    tried = set()
    for point in found.points:
        made = recipe.with_changes(found.settings(point))
        rates = made.optimiser
        assert rates.learning_rate == rates.new_layer_rate == rates.head_rate
        training = made.training
        settings = (training.batch_size, training.epochs, rates.head_rate)
        tried.add((made.network.hidden, settings))
    assert tried == {(dense, row) for dense in DENSE for row in ROWS}


def test_every_search_validates_on_the_same_patients() -> None:
    for name in space.names():
        assert space.base(space.load(name), {}).split == BY_PATIENT


def test_the_default_is_searched_in_ranges_its_recipe_takes() -> None:
    found = space.load("default")
    drawn = found.distributions
    middle = {
        key: (d.low * d.high) ** 0.5 if d.log else (d.low + d.high) / 2 for key, d in drawn.items()
    }
    changes = found.settings(middle)
    made = space.base(found, found.budget).with_changes(changes)
    assert made.training.samples_per_epoch == 1200
    assert made.optimiser.learning_rate == pytest.approx(1e-4)
    assert made.loss.gamma == 1.5
    assert changes == middle


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "either a grid or ranges"),
        ("[ranges]\n'loss.gamma' = { low = 0, high = 1 }", "must say how many trials"),
        ("trials = 3\n[ranges]\n'loss.gamma' = { low = 2, high = 1 }",
         r"ranges\.loss\.gamma: it needs low below high"),
        ("trials = 3\n[ranges]\n'loss.gamma' = { low = 0, high = 1, log = true }",
         "logarithmic scale it must be above 0"),
        ("choise = 'loss'", "unknown key 'choise'"),
        ("title", "not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_a_sentence(tmp_path, text, said) -> None:
    path = tmp_path / "own.toml"
    head = "" if text == "title" else "title = 'a'\nrecipe = 'pneunet'\nchoose = 'auroc'\n"
    path.write_text(head + text)
    with pytest.raises(RecipeError, match=said):
        space.load(str(path))


def test_an_unknown_space_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match="Known: default, inception_v3, inception_v3-3"):
        space.load("incepton")
