"""Which films a split is, and what is said of one that is not there."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pneumonia.errors import DataError
from train.manifest import Manifest, Row, split_by_patient
from train.splits import select_rows


def card(**data: Any) -> Any:
    return SimpleNamespace(id="fake", raw={"data": data})


def many(split: str, patients: range) -> tuple[Row, ...]:
    return tuple(
        Row(
            file=f"{split}/{label}/{patient}-{film}.png",
            path=Path("unread"),
            split=split,
            label=label,
            patient=f"{label}{patient}",
        )
        for label in ("NORMAL", "PNEUMONIA")
        for patient in patients
        for film in range(2)
    )


@pytest.fixture
def splits() -> Manifest:
    return Manifest(
        Path("films"),
        many("train", range(60)) + many("val", range(60, 64)) + many("test", range(9)),
    )


@pytest.mark.parametrize(("split", "films"), [("train", 240), ("val", 16), ("test", 36)])
def test_a_folder_split_is_its_films(splits: Manifest, split: str, films: int) -> None:
    rows = select_rows(splits, split, card())
    assert len(rows) == films
    assert {row.split for row in rows} == {split}


def test_all_is_every_film(splits: Manifest) -> None:
    assert select_rows(splits, "all", card()) == splits.rows


def test_validation_is_what_training_held_out(splits: Manifest) -> None:
    rows = select_rows(splits, "validation", card(split={"fraction": 0.2, "seed": 7}))
    training, validation = split_by_patient(splits.split("train", "val"), 0.2, 7)
    assert rows == validation
    assert not {row.patient for row in rows} & {row.patient for row in training}
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


def test_validation_of_a_folder_without_training_films(splits: Manifest) -> None:
    only_test = Manifest(splits.root, splits.split("test"))
    with pytest.raises(DataError) as caught:
        select_rows(only_test, "validation", card(split={"fraction": 0.2, "seed": 7}))
    assert caught.value.detail == (
        "There are no films in the split 'validation'. Choose one of: test, all."
    )
