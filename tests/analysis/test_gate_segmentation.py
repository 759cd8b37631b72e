"""What the gate makes of what the lung network sees: one code and one sentence for each case."""

from dataclasses import replace

import numpy as np
import pytest

from pneumonia.analysis import gate
from pneumonia.analysis.gate_limits import Expected
from pneumonia.errors import (
    NotAChestRadiograph,
    RadiographCutOff,
    RadiographTooFlat,
    RadiographTurned,
)
from pneumonia.imaging import Radiograph
from tests.analysis.drawn_lungs import CHILDREN, EXPECTED, LEFT, RIGHT, lungs, segmentation


def radiograph(warnings=()) -> Radiograph:
    pixels = np.linspace(0, 1, 300 * 300, dtype=np.float32).reshape(300, 300)
    return Radiograph(pixels, "PNG", 8, (0, 255), "", warnings)


def refusal_of(seen, turns=0) -> Exception | None:
    quality, refusal = gate.judge(radiograph(), seen, EXPECTED, CHILDREN, turns=turns)
    assert quality.accepted == (refusal is None)
    return refusal


def warnings_of(seen) -> tuple[str, ...]:
    quality, refusal = gate.judge(radiograph(), seen, EXPECTED, CHILDREN)
    assert refusal is None
    return quality.warnings


def test_two_lungs_on_an_upright_radiograph_pass_without_a_word() -> None:
    assert warnings_of(segmentation()) == ()


def test_what_chest_radiographs_differ_in_is_no_distance() -> None:
    near = segmentation(distance=0.5)
    near.features[0] = -400
    assert warnings_of(near) == ()


def test_features_far_from_any_chest_radiograph_are_refused() -> None:
    refusal = refusal_of(segmentation(distance=1.6))
    assert isinstance(refusal, NotAChestRadiograph)
    assert str(refusal) == (
        "The picture does not look like a frontal chest X-ray. Upload the frontal film (PA or AP) "
        "itself, whole and with "
        "nothing beside it."
    )


def test_a_radiograph_a_little_unlike_is_read_with_a_warning() -> None:
    (warning,) = warnings_of(segmentation(distance=1.08))
    assert warning == (
        "The film looks unlike those that the model learnt from (children of 1 to 5 years): of "
        "another kind of patient, or from other equipment. The answer is worth less."
    )
    quality, _ = gate.judge(radiograph(), segmentation(distance=1.08), EXPECTED)
    assert "unlike those that the model learnt from: of another kind" in quality.warnings[0]


def test_limits_are_those_of_the_lung_network() -> None:
    near = Expected(EXPECTED.outlier_model, replace(EXPECTED.limits, far=0.4, unlike=0.3))
    refusal = gate.judge(radiograph(), segmentation(distance=0.5), near)[1]
    assert isinstance(refusal, NotAChestRadiograph)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(lungs((112, 112, 2, 2)), id="none"),
        pytest.param(lungs(certainty=0.8), id="not sure"),
        pytest.param(lungs((70, 50, 40, 35), (150, 175, 40, 35)), id="one above the other"),
    ],
)
def test_what_is_not_outlined_as_two_lungs_is_refused(seen) -> None:
    refusal = refusal_of(segmentation(seen))
    assert isinstance(refusal, NotAChestRadiograph)
    assert str(refusal).startswith("Two lungs side by side cannot be made out in the picture.")


def test_ragged_outlines_are_refused() -> None:
    ragged = lungs()
    for outer in (slice(30, 90), slice(134, 194)):
        ragged.probability[70:150, outer] = 0.02
    assert isinstance(refusal_of(segmentation(ragged)), NotAChestRadiograph)


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        (1, "turned by 90 degrees anticlockwise. Turn it 90 degrees clockwise"),
        (2, "upside down. Turn it by 180 degrees"),
        (3, "turned by 90 degrees clockwise. Turn it 90 degrees anticlockwise"),
    ],
)
def test_a_turned_radiograph_is_told_how_it_lies_and_which_way_to_turn_it(turns, words) -> None:
    refusal = refusal_of(segmentation(), turns)
    assert isinstance(refusal, RadiographTurned)
    assert str(refusal) == f"The film lies {words} and upload it again."


@pytest.mark.parametrize(
    "upright",
    [
        pytest.param(segmentation(lungs((60, 60, 30, 9))), id="no lungs"),
        pytest.param(segmentation(distance=1.6), id="far from chest films"),
        pytest.param(segmentation(turns=2), id="turned again once it is upright"),
    ],
)
def test_a_turned_picture_of_something_else_is_never_told_to_be_turned(upright) -> None:
    assert isinstance(refusal_of(upright, turns=1), NotAChestRadiograph)


def test_doubt_about_how_it_lies_is_a_warning() -> None:
    assert warnings_of(segmentation(sure=0.8)) == ("It is not certain that the film lies upright.",)


def moved(dx: int, dy: int):
    return lungs(*((x + dx, y + dy, a, b) for x, y, a, b in (RIGHT, LEFT)))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (moved(-45, 0), r"The left edge of the film runs through the lungs, over [3-9]\d%"),
        (moved(45, 0), r"The right edge of the film runs .* of their height: a part of them"),
        (moved(0, -75), r"The top edge of the film runs .* of their width: a part of them"),
        (moved(0, 60), r"The bottom edge of the film .* Export the whole film, with both lungs"),
    ],
)
def test_an_edge_through_the_lungs_is_refused(seen, words) -> None:
    # However far the features: part of a chest is less like a chest.
    with pytest.raises(RadiographCutOff, match=words):
        gate.check_segmentation(segmentation(seen, distance=1.7), EXPECTED)


@pytest.mark.parametrize(
    ("seen", "edge"),
    [
        (moved(-33, 0), "left"),
        (moved(33, 0), "right"),
        (moved(0, -38), "top"),
        (moved(0, 42), "bottom"),
    ],
)
def test_lungs_that_reach_an_edge_are_a_warning(seen, edge) -> None:
    assert warnings_of(segmentation(seen)) == (
        f"The lungs reach the {edge} edge of the film: a part of them may be missing.",
    )


@pytest.mark.parametrize("seen", [lungs(RIGHT), lungs(RIGHT, (170, 110, 16, 60))])
def test_one_lung_is_not_enough(seen) -> None:
    refusal = refusal_of(segmentation(seen))
    assert isinstance(refusal, RadiographCutOff)
    assert str(refusal).startswith("Only one whole lung can be made out: the other is cut off")


def test_outlines_nobody_is_sure_of_do_not_make_a_radiograph_cut_off() -> None:
    unsure = lungs((20, 110, 36, 76), LEFT, certainty=0.87)
    assert isinstance(refusal_of(segmentation(unsure, distance=2)), NotAChestRadiograph)


def test_a_negative_says_so_before_what_else_is_doubtful() -> None:
    quality, refusal = gate.judge(
        radiograph(("It has colour.",)), segmentation(distance=1.08), EXPECTED, inverted=True
    )
    assert refusal is None
    assert quality.inverted
    assert quality.warnings == ("It has colour.", gate.INVERTED_NOTICE, quality.warnings[2])
    assert quality.warnings[1].endswith("It was neither rotated nor mirrored.")


def test_size_and_contrast_come_first() -> None:
    blank = Radiograph(np.zeros((300, 300), np.float32), "PNG", 8, (0, 0), "")
    assert isinstance(gate.judge(blank, segmentation(turns=2), EXPECTED)[1], RadiographTooFlat)


@pytest.mark.parametrize(("probability", "said"), [(0.4, False), (0.6, True)])
def test_inverted_is_what_is_likelier(probability, said) -> None:
    assert gate.is_inverted(segmentation(inverted=probability)) is said
