"""What a file says of its picture, against whose films the model knows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pneumonia.analysis.card import read_card
from pneumonia.analysis.population import Population
from pneumonia.errors import DamagedBundle
from pneumonia.imaging.radiograph import Facts

CHILDREN = Population("children of 1 to 5 years", (1, 5))
ADULTS = Population("adults", (18, 120))
ALL_AGES = Population("people of all ages")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(modality="MR"), "says modality MR; a chest X-ray is CR or DX."),
        (Facts(body_part="HAND"), "says body part HAND; the model knows the chest only."),
        (Facts(view="LL"), "says view LL, lateral; the model knows frontal films."),
        (Facts(view="LATERAL"), "says view LATERAL, lateral"),
        (Facts(age_years=57), "that the patient is not 1 to 5 years old; the model knows films of"),
        (Facts(age_years=6), "is not 1 to 5 years old"),
        (Facts(age_years=0.9), "is not 1 to 5 years old"),
    ],
)
def test_what_does_not_fit_is_a_warning(facts, words) -> None:
    (warning,) = CHILDREN.contradictions(facts)
    assert words in warning


@pytest.mark.parametrize(
    "facts",
    [
        Facts(),
        Facts(age_years=1.0),
        Facts(age_years=5.9),
        Facts(None, "DX", "CHEST", "PA", "L"),
        Facts(None, "CR", "THORAX", "AP"),
    ],
)
def test_what_fits_or_says_nothing_has_no_warning(facts) -> None:
    assert CHILDREN.contradictions(facts) == ()


def test_another_population_tells_the_truth_of_itself() -> None:
    child, adult = Facts(age_years=4), Facts(age_years=57)
    assert ADULTS.contradictions(adult) == ()
    assert "is not 18 to 120 years old" in ADULTS.contradictions(child)[0]
    for facts in (child, adult):
        assert ALL_AGES.contradictions(facts) == ()


def test_other_parts_and_views_are_what_the_card_says() -> None:
    hand = Population("hands", body_part="HAND", views=("PA", "LL"))
    assert hand.contradictions(Facts(body_part="HAND", view="LL")) == ()
    assert "the model knows the hand only" in hand.contradictions(Facts(body_part="CHEST"))[0]


@pytest.mark.parametrize(
    "population",
    [
        "children",
        {"text": "x"},
        {"text": "x", "age_years": [5, 1], "body_part": "CHEST", "views": []},
        {"text": "x", "age_years": ["one", 5], "body_part": "CHEST", "views": []},
    ],
)
def test_a_card_without_a_sound_population_is_refused(
    tiny_bundle: Path, tmp_path: Path, population: object
) -> None:
    raw = json.loads((tiny_bundle / "card.json").read_text()) | {"population": population}
    folder = tmp_path / raw["id"]
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(raw))
    with pytest.raises(DamagedBundle, match="the card"):
        read_card(folder)


def test_a_population_comes_back_from_its_card() -> None:
    for population in (CHILDREN, ALL_AGES, replace(ADULTS, views=("LL",))):
        assert Population.from_dict(population.as_dict()) == population
