"""The alterations: what each does to the greys, and that a film always gets the same one."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pneumonia.imaging.synthetic import synthetic_radiograph
from train import perturbations

ALL = perturbations.SHORTCUTS | perturbations.ROBUSTNESS


@pytest.fixture(scope="module")
def radiograph() -> np.ndarray:
    pixels = synthetic_radiograph(3, opacity=True, size=(160, 200)).astype(np.float32) / 255
    pixels.flags.writeable = False  # as those of a Radiograph
    return pixels


@pytest.fixture(scope="module")
def lungs() -> Any:
    """A quarter to three quarters of the width, an eighth to a half of the height."""
    mask = np.zeros((64, 64), np.bool_)
    mask[8:32, 16:48] = True
    return SimpleNamespace(mask=mask, box=(0.25, 0.125, 0.75, 0.5))


def perturbed(name: str, radiograph: np.ndarray, lungs: Any, file: str = "a.jpeg") -> np.ndarray:
    return ALL[name](radiograph, lungs, perturbations.generator(file, name))


@pytest.mark.parametrize("name", ALL)
def test_every_alteration_gives_a_radiograph_and_leaves_the_first_alone(
    name, radiograph, lungs
) -> None:
    before = radiograph.copy()
    found = perturbed(name, radiograph, lungs)
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.shape != radiograph.shape or np.abs(found - radiograph).max() > 0.05
    assert np.array_equal(radiograph, before)
    assert np.array_equal(found, perturbed(name, radiograph, lungs))


def test_the_draws_depend_on_the_file_name_and_the_alteration_alone() -> None:
    first = perturbations.generator("train/NORMAL/a.jpeg", "noise").random()
    assert first == perturbations.generator("elsewhere/a.jpeg", "noise").random()
    assert first != perturbations.generator("train/NORMAL/b.jpeg", "noise").random()
    assert first != perturbations.generator("train/NORMAL/a.jpeg", "blur").random()
    assert first == pytest.approx(
        0.015784243852985047, abs=1e-12
    )  # today's reports, tomorrow's too


def test_names_are_explained() -> None:
    assert list(perturbations.WHAT) == list(ALL)


def test_the_lungs_are_black_with_a_margin_and_the_rest_untouched(radiograph, lungs) -> None:
    found = perturbed("lungs blacked out", radiograph, lungs)
    # 160 x 200 pixels; 2 % beyond the box on every side.
    rectangle = np.s_[17:83, 46:154]
    assert found[rectangle].max() == 0
    rest = np.ones(radiograph.shape, np.bool_)
    rest[rectangle] = False
    assert np.array_equal(found[rest], radiograph[rest])


def test_lungs_at_the_edge_are_covered_to_the_edge(radiograph) -> None:
    whole = SimpleNamespace(mask=np.ones((8, 8), np.bool_), box=(0.0, 0.0, 1.0, 1.0))
    assert perturbed("lungs blacked out", radiograph, whole).max() == 0


def test_outside_the_lungs_is_their_mean_grey(radiograph, lungs) -> None:
    found = perturbed("only the lungs", radiograph, lungs)
    inside = np.zeros(radiograph.shape, np.bool_)
    inside[20:80, 50:150] = True
    assert np.array_equal(found[inside], radiograph[inside])
    assert np.unique(found[~inside]).tolist() == [
        pytest.approx(radiograph[inside].mean(), abs=1e-6)
    ]


@pytest.mark.parametrize("name", ["lungs blacked out", "only the lungs"])
def test_without_lungs_some_alterations_cannot_be_made(name, radiograph) -> None:
    empty: Any = SimpleNamespace(mask=np.zeros((8, 8), np.bool_), box=None)
    for lungs in (None, empty):
        assert not perturbations.can_perturb(name, lungs)
        with pytest.raises(ValueError, match="where they are known"):
            perturbed(name, radiograph, lungs)
    assert perturbations.can_perturb("blur", None)


def test_borders_and_aspect(radiograph) -> None:
    assert np.array_equal(
        perturbed("borders cropped", radiograph, None), radiograph[13:147, 16:184]
    )
    assert perturbed("aspect squashed", radiograph, None).shape == (160, 150)


def test_text_is_white_in_one_corner_and_in_each_of_the_four() -> None:
    black = np.zeros((240, 320), np.float32)
    corners = set()
    for i in range(40):
        found = perturbed("text stamped", black, None, f"{i}.jpeg")
        assert found.max() == 1
        rows, columns = np.nonzero(found)
        low, right = rows.mean() > 120, columns.mean() > 160
        corners.add((bool(low), bool(right)))
        assert 0.06 < np.ptp(rows) / 240 < 0.2
        assert rows.min() > 0
        assert rows.max() < 239
        assert columns.min() > 0
        assert columns.max() < 319
        assert np.ptp(columns) < 0.4 * 320
    assert len(corners) == 4


def ends(name: str, radiograph: np.ndarray, statistic) -> set[float]:
    """What the two draws of an alteration give, over many files."""
    return {
        round(float(statistic(perturbed(name, radiograph, None, f"{i}"))), 3) for i in range(20)
    }


def test_contrast_gamma_and_inversion_to_the_digit() -> None:
    radiograph = np.tile(np.array([[0.4, 0.6]], np.float32), (50, 50))
    assert ends("contrast", radiograph, np.ptp) == {0.12, 0.28}
    assert ends("contrast", radiograph, np.mean) == {0.5}
    level = np.full((8, 8), 0.25, np.float32)
    assert ends("gamma", level, np.max) == {round(0.25**0.6, 3), round(0.25**1.6, 3)}
    assert ends("inversion", level, np.max) == {0.75}


def test_noise_blur_and_jpeg_happen_on_the_grid(radiograph) -> None:
    for name in ("noise", "blur", "jpeg 30"):
        assert perturbed(name, radiograph, None).shape == (224, 224)
    grey = np.full((224, 224), 0.5, np.float32)
    assert perturbed("noise", grey, None).std() == pytest.approx(0.05, rel=0.02)
    spot = np.zeros((224, 224), np.float32)
    spot[112, 112] = 1
    peak = 1 / (2 * np.pi * 1.5**2)
    assert perturbed("blur", spot, None)[112, 112] == pytest.approx(peak, rel=0.02)
    coarse = perturbed("jpeg 30", radiograph, None) - perturbations.to_grid(radiograph)
    assert 0.003 < np.abs(coarse).mean() < 0.05


def test_the_grid_keeps_a_radiograph_of_its_size_bit_for_bit() -> None:
    small = np.random.default_rng(0).random((224, 224), np.float32)
    assert perturbations.to_grid(small) is small
    assert perturbations.to_grid(np.full((500, 300), 0.3, np.float32)) == pytest.approx(
        0.3, abs=1e-6
    )


def test_rotation_is_ten_degrees_either_way_about_the_middle() -> None:
    radiograph = np.zeros((201, 201), np.float32)
    radiograph[96:105, 150:159] = 1  # to the right of the middle
    heights = set()
    for i in range(20):
        rows, columns = np.nonzero(perturbed("rotation 10", radiograph, None, str(i)) > 0.5)
        dy, dx = rows.mean() - 100, columns.mean() - 100
        assert np.hypot(dy, dx) == pytest.approx(54, abs=1)
        heights.add(round(float(np.degrees(np.arctan2(dy, dx)))))
    assert heights == {-10, 10}
