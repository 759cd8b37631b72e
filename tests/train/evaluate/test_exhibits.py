"""Pictures of the report: which pixels are painted, and where the outline runs."""

import base64

import cv2
import numpy as np
import pytest

from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.radiograph import Radiograph
from tests.train.fakes import FakePredictor
from train.data.manifest import Row
from train.evaluate import exhibits
from train.evaluate.report import Scored


def radiograph(width: int = 300, height: int = 200) -> Radiograph:
    pixels = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    return Radiograph(pixels, "PNG", 8, (0, 255), "")


def middle() -> Lungs:
    probability = np.zeros((64, 64), np.float32)
    probability[16:48, 16:48] = 1
    return Lungs(probability)


def painted(lungs: Lungs | None, heat: list[list[float]], width: int = 300, height: int = 200):
    predictor = FakePredictor(lungs, np.array(heat, np.float32))
    (finding,) = predictor.read(predictor.examine([radiograph(width, height)]))
    return exhibits.paint(radiograph(width, height), finding)


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(300, 200, (299, 448)), (200, 300, (448, 299)), (2000, 1000, (224, 448))],
)
def test_the_longer_side_is_448_pixels(width: int, height: int, shape: tuple[int, int]) -> None:
    grey, colour = painted(None, [[0]], width, height)
    assert grey.shape == shape
    assert colour.shape == (*shape, 3)


def test_without_heat_or_lungs_the_radiograph_is_as_it_was() -> None:
    grey, colour = painted(None, [[-1]])
    assert all(np.array_equal(colour[..., channel], grey) for channel in range(3))


def test_the_hot_side_is_painted_and_the_cold_is_not() -> None:
    grey, colour = painted(None, [[1, 0, 0, 0]])
    change = np.abs(colour.astype(int) - grey[..., None]).max(axis=2)
    assert change[:, :50].min() > 40
    assert change[:, 224:].max() == 0


def test_the_outline_runs_along_the_lungs_edge() -> None:
    _, colour = painted(middle(), [[0]])
    is_line = np.abs(colour.astype(int) - exhibits._OUTLINE).max(axis=2) < 25
    rows, columns = np.nonzero(is_line)
    # A quarter to three quarters of 299 x 448 pixels.
    assert rows.min() == pytest.approx(299 / 4, abs=3)
    assert rows.max() == pytest.approx(299 * 3 / 4, abs=3)
    assert columns.min() == pytest.approx(448 / 4, abs=3)
    assert columns.max() == pytest.approx(448 * 3 / 4, abs=3)
    assert not is_line[149, 224]


def test_exhibits_are_read_again_and_carry_their_pictures(tmp_path) -> None:
    flat = tmp_path / "flat.png"
    cv2.imwrite(str(flat), np.full((128, 128), 99, np.uint8))
    row = Row("test/flat.png", flat, "test", "NORMAL", "a")
    chosen = Scored(row.file, "normal", 0.9, indeterminate=True)
    (one,) = exhibits.make(FakePredictor(), {row.file: row}, [chosen])
    assert one.scored is chosen
    assert one.refusal.startswith("The grey levels span 0.0% of the range;")
    for address in (one.radiograph, one.painted):
        kind, _, data = address.partition(",")
        assert kind == "data:image/jpeg;base64"
        found = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert found.shape == (448, 448, 3)
        assert np.abs(found.astype(int) - 99).max() <= 3
