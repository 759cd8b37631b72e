"""The gate's floors on real pictures, through the predictor and the bundle that ship."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.analysis.gate import Examined
from pneumonia.analysis.predictor import Predictor
from pneumonia.imaging import Radiograph, decode
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.web.samples import SAMPLES, sample_png
from train.data import manifest
from train.data.splits import draw
from train.recipes.sections import Split

_TOGETHER = 32


def examine(shipped: Predictor, radiographs: Iterable[Radiograph]) -> Iterator[Examined]:
    radiographs = list(radiographs)
    for start in range(0, len(radiographs), _TOGETHER):
        yield from shipped.examine(radiographs[start : start + _TOGETHER])


def codes(shipped: Predictor, radiographs: Iterable[Radiograph]) -> Counter[str]:
    return Counter(e.refusal.code if e.refusal else "" for e in examine(shipped, radiographs))


def read(paths: Iterable[Path]) -> list[Radiograph]:
    return [decode(path.read_bytes()) for path in sorted(paths)]


def radiograph(pixels: np.ndarray) -> Radiograph:
    grey = np.ascontiguousarray(pixels, np.float32)
    return Radiograph(grey, "PNG", 8, (0, 255), "")


def turned(radiographs: Iterable[Radiograph], quarters: int) -> list[Radiograph]:
    return [radiograph(np.rot90(f.pixels, quarters)) for f in radiographs]


@pytest.fixture(scope="module")
def validation(real_data: Path) -> list[Radiograph]:
    rows = manifest.load(real_data / "kermany", "kermany").rows
    held_out = draw(rows, Split(fraction=0.12, seed=2026)).validation
    assert len(held_out) == 570
    return [decode(row.path.read_bytes()) for row in held_out]


@pytest.fixture(scope="module")
def adults(real_data: Path) -> list[Radiograph]:
    radiographs = read((real_data / "nih" / "images").glob("*.jpg"))
    assert len(radiographs) == 388
    return radiographs


def test_the_samples_can_be_read(shipped: Predictor) -> None:
    samples = [decode(sample_png(name)) for name in SAMPLES]
    assert codes(shipped, samples) == {"": len(SAMPLES)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_drawn_chest_turned_and_inverted(shipped: Predictor, seed: int) -> None:
    chest = synthetic_radiograph(seed, opacity=False, size=(480, 420)) / np.float32(255)
    lies = [radiograph(np.rot90(chest, quarters)) for quarters in range(4)]
    assert [e.refusal.code if e.refusal else "" for e in shipped.examine(lies)] == [
        "",
        "film_turned",
        "film_turned",
        "film_turned",
    ]
    (negative,) = shipped.examine([radiograph(1 - chest)])
    assert negative.refusal is None
    assert negative.quality.inverted
    np.testing.assert_allclose(negative.radiograph.pixels, chest, atol=1e-6)


def test_what_was_never_a_picture_of_a_chest(shipped: Predictor) -> None:
    random = np.random.default_rng(0)
    down, across = np.mgrid[0:224, 0:224].astype(np.float32) / 223
    board = ((down * 8).astype(int) + (across * 8).astype(int)) % 2
    blots = np.abs(down - 0.5) + np.abs(np.abs(across - 0.5) - 0.2) < 0.15
    pictures = [random.random((224, 224)), down, across, board, blots, 1 - blots.astype(float)]
    assert codes(shipped, map(radiograph, pictures)) == {"not_a_chest_film": len(pictures)}


@pytest.fixture(scope="module")
def other_pictures(real_data: Path) -> list[Radiograph]:
    pictures = read(file for file in (real_data / "not-chest-xray").glob("*/*") if file.is_file())
    assert len(pictures) == 334
    return pictures


@pytest.mark.real
def test_pictures_of_something_else(shipped: Predictor, other_pictures: list[Radiograph]) -> None:
    assert codes(shipped, other_pictures)[""] <= 0.005 * 334


@pytest.mark.real
def test_nobody_is_told_to_turn_a_picture_of_something_else(
    shipped: Predictor, other_pictures: list[Radiograph]
) -> None:
    for quarters in range(4):
        found = codes(shipped, turned(other_pictures[quarters::4], quarters))
        assert (found[""], found["film_turned"]) == (0, 0)


@pytest.mark.real
def test_radiographs_beside_something_else(
    shipped: Predictor, validation: list[Radiograph], adults: list[Radiograph]
) -> None:
    films = [cv2.resize(f.pixels, (400, 400)) for f in (*validation[::30], *adults[::20])]
    four = [np.block([films[i : i + 2], films[i + 2 : i + 4]]) for i in range(0, 36, 4)]
    assert codes(shipped, map(radiograph, four))[""] == 0
    slides = np.ones((len(films), 720, 1280), np.float32)
    slides[:, 200:600, 100:500] = films
    assert codes(shipped, map(radiograph, slides))[""] == 0


@pytest.mark.real
def test_radiographs_of_children(shipped: Predictor, validation: list[Radiograph]) -> None:
    assert codes(shipped, validation)[""] >= 0.995 * 570


@pytest.mark.real
def test_radiographs_of_adults(shipped: Predictor, adults: list[Radiograph]) -> None:
    assert codes(shipped, adults)[""] >= 0.99 * 388


@pytest.mark.real
def test_originals_and_dicom(shipped: Predictor, real_data: Path) -> None:
    files = [*real_data.glob("originals/*/*.jpeg"), *real_data.glob("dicom/*.dcm")]
    assert len(files) == 107
    assert codes(shipped, read(files)) == {"": 107}


@pytest.mark.real
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_radiographs(
    shipped: Predictor, validation: list[Radiograph], quarters: int
) -> None:
    radiographs = validation[::3]
    assert codes(shipped, turned(radiographs, quarters))["film_turned"] >= 0.99 * len(radiographs)


@pytest.mark.real
@pytest.mark.parametrize("radiographs", ["validation", "adults"])
def test_inverted_radiographs(
    shipped: Predictor, radiographs: str, request: pytest.FixtureRequest
) -> None:
    upright = request.getfixturevalue(radiographs)[::3]
    found = [e.quality.inverted for e in examine(shipped, upright)]
    assert np.mean(found) <= 0.01
    negatives = [radiograph(1 - f.pixels) for f in upright]
    assert np.mean([e.quality.inverted for e in examine(shipped, negatives)]) >= 0.99


@pytest.mark.real
def test_radiographs_cut_through_a_lung(shipped: Predictor, validation: list[Radiograph]) -> None:
    whole = list(examine(shipped, validation[::6]))
    halved = []
    for seen in whole:
        assert seen.lungs is not None
        assert seen.lungs.box is not None
        x0, _, x1, _ = seen.lungs.box
        # A lung is about two fifths of the pair's width: half of the one on the left goes.
        start = round((x0 + 0.2 * (x1 - x0)) * seen.radiograph.width)
        halved.append(radiograph(seen.radiograph.pixels[:, start:]))
    seen = list(examine(shipped, halved))
    cut = [e.refusal is not None and e.refusal.code == "film_cut_off" for e in seen]
    assert np.mean(cut) >= 0.85
    for examined in seen:
        said = [w for w in examined.quality.warnings if "reach the left edge" in w]
        assert examined.refusal is not None or said
