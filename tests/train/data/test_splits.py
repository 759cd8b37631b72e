"""Which films a split is, and what is said of one that is not there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pneumonia.errors import DataError
from train.data.manifest import Manifest, Row
from train.data.splits import divide, draw, select_rows
from train.recipes.sections import Split


def card(**data: Any) -> Any:
    return SimpleNamespace(id="fake", raw={"data": data})


def many(split: str, patients: range) -> tuple[Row, ...]:
    return tuple(
        Row(
            file=f"{split}/{label}/{patient}-{radiograph}.png",
            path=Path("unread"),
            split=split,
            label=label,
            patient=f"{label}{patient}",
        )
        for label in ("NORMAL", "PNEUMONIA")
        for patient in patients
        for radiograph in range(2)
    )


@pytest.fixture
def splits() -> Manifest:
    return Manifest(
        Path("films"),
        many("train", range(60)) + many("val", range(60, 64)) + many("test", range(9)),
    )


@pytest.mark.parametrize(("split", "radiographs"), [("train", 240), ("val", 16), ("test", 36)])
def test_a_folder_split_is_its_radiographs(splits: Manifest, split: str, radiographs: int) -> None:
    rows = select_rows(splits, split, card())
    assert len(rows) == radiographs
    assert {row.split for row in rows} == {split}


def test_all_is_every_radiograph(splits: Manifest) -> None:
    assert select_rows(splits, "all", card()) == splits.rows


def test_validation_is_what_training_held_out(splits: Manifest) -> None:
    rows = select_rows(splits, "validation", card(split={"fraction": 0.2, "seed": 7}))
    division = draw(splits.split("train", "val"), Split(0.2, 7))
    assert rows == division.validation
    assert not {row.patient for row in rows} & {row.patient for row in division.train}
    assert "test" not in {row.split for row in rows}
    other = select_rows(splits, "validation", card(split={"fraction": 0.2, "seed": 8}))
    assert rows != other


@pytest.mark.parametrize(
    ("split", "data", "sentence"),
    [
        (
            "holdout",
            {"split": {"fraction": 0.2, "seed": 7}},
            (
                "There are no films in the split 'holdout'. "
                "Choose one of: test, train, val, validation, all."
            ),
        ),
        (
            "holdout",
            {},
            "There are no films in the split 'holdout'. Choose one of: test, train, val, all.",
        ),
        (
            "validation",
            {},
            (
                "The card of model 'fake' does not say how its validation films were split off "
                "(data.split). Choose one of: test, train, val, all."
            ),
        ),
        (
            "validation",
            {"split": "by patient"},
            (
                "The card of model 'fake' does not say how its validation films were split off "
                "(data.split). Choose one of: test, train, val, all."
            ),
        ),
    ],
)
def test_an_unknown_split_names_those_there_are(
    splits: Manifest, split: str, data: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError) as caught:
        select_rows(splits, split, card(**data))
    assert caught.value.detail == sentence


def test_validation_of_a_folder_without_training_radiographs(splits: Manifest) -> None:
    only_test = Manifest(splits.root, splits.split("test"))
    with pytest.raises(DataError) as caught:
        select_rows(only_test, "validation", card(split={"fraction": 0.2, "seed": 7}))
    assert caught.value.detail == (
        "There are no films in the split 'validation'. Choose one of: test, all."
    )


def rows(n: int) -> list[Row]:
    """n patients with two films each, every third patient normal."""
    return [
        Row(f"{i}-{j}", Path(), "train", "NORMAL" if i % 3 == 0 else "PNEUMONIA", f"p{i}")
        for i in range(n)
        for j in range(2)
    ]


def test_the_split_keeps_patients_whole_and_the_fraction_roughly() -> None:
    radiographs = rows(1000)
    division = draw(radiographs, Split(0.2, seed=1))
    train, validation = division.train, division.validation
    assert len(train) + len(validation) == 2000
    assert not {r.patient for r in train} & {r.patient for r in validation}
    assert 0.17 < len(validation) / 2000 < 0.23


def test_a_patient_keeps_its_side_when_radiographs_are_added() -> None:
    few = draw(rows(300), Split(0.2, seed=1)).validation
    many = draw(rows(600), Split(0.2, seed=1)).validation
    assert {r.file for r in few} <= {r.file for r in many}
    other = draw(rows(300), Split(0.2, seed=2)).validation
    assert {r.file for r in few} != {r.file for r in other}


def test_too_few_patients_to_split() -> None:
    with pytest.raises(DataError, match="too few patients"):
        draw(rows(3), Split(0.1, seed=0))


def test_held_out_radiographs_are_of_other_patients_and_can_be_drawn_again(
    splits: Manifest,
) -> None:
    rule = {"fraction": 0.2, "test": 0.3, "seed": 7}
    division = draw(splits.split("train", "val"), Split(**rule))
    assert select_rows(splits, "held-out", card(split=rule)) == division.held_out
    sides = [{row.patient for row in side} for side in (division.train, division.validation)]
    held_out = {row.patient for row in division.held_out}
    assert not held_out & sides[0]
    assert not held_out & sides[1]
    assert 0.15 < len(division.held_out) / 256 < 0.45
    assert division.validation == draw(splits.split("train", "val"), Split(0.2, 7)).validation


def test_a_split_by_radiograph_has_patients_on_both_sides() -> None:
    division = draw(rows(300), Split(0.2, 1, by="film"))
    shared = {r.patient for r in division.train} & {r.patient for r in division.validation}
    assert len(shared) > 30  # the leak of the papers, made on purpose


def test_the_resplit_halves_val_and_test(splits: Manifest) -> None:
    pool, test = splits.split("train", "val"), splits.split("test")
    division = divide(pool, Split(scheme="resplit", seed=3), test)
    assert division.train == splits.split("train")
    assert set(division.validation) | set(division.held_out) == {*splits.split("val"), *test}
    assert not {r.patient for r in division.validation} & {r.patient for r in division.held_out}
    again = card(split={"fraction": 0.0, "seed": 3, "scheme": "resplit"})
    assert select_rows(splits, "held-out", again) == division.held_out


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_folder_that_was_split_anew_is_not_measured_whole(splits: Manifest, name: str) -> None:
    again = card(split={"fraction": 0.0, "seed": 3, "scheme": "resplit"})
    with pytest.raises(DataError, match=r"half of the val and test films.* Use --split held-out"):
        select_rows(splits, name, again)


def test_the_resplit_needs_test_radiographs(splits: Manifest) -> None:
    with pytest.raises(DataError, match=r"no test films\. Give a folder with a test split"):
        divide(splits.split("train", "val"), Split(scheme="resplit"))


def places(source: str, label: str, patients: range) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{source}/{label}{i}.png", Path("unread"), "train", label, f"{label}{i}", source=source
        )
        for i in patients
    )


def test_a_source_is_left_out_whole_though_it_has_one_class() -> None:
    near = places("Here", "NORMAL", range(50)) + places("Here", "PNEUMONIA", range(50))
    far = places("There", "PNEUMONIA", range(50, 60))
    division = draw(near + far, Split(fraction=0.2, seed=1, leave_out=("There",)))
    assert division.held_out == far
    assert set(division.train + division.validation) == set(near)


def test_a_source_that_is_not_there_cannot_be_left_out() -> None:
    near = places("Here", "NORMAL", range(9)) + places("Here", "PNEUMONIA", range(9))
    with pytest.raises(DataError, match=r"no films of the source 'There' .*The data has Here\.$"):
        draw(near, Split(fraction=0.2, leave_out=("There",)))
