"""Class counts and example films as pictures: what is drawn follows what is given."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from train.evaluate import radiograph_plots
from train.evaluate.examples import Example
from train.evaluate.plots import BLUE, VERMILION

COUNTS = {
    "training": {"normal": 100, "pneumonia": 300},
    "validation": {"normal": 25, "pneumonia": 75},
}


def picture(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def painted(image: np.ndarray, colour: str) -> np.ndarray:
    """bool (h, w): where a colour is, given as #rrggbb."""
    bgr = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]
    return np.abs(image.astype(int) - bgr).max(axis=2) < 6


def bars(image: np.ndarray, colour: str) -> list[int]:
    """Heights of one colour's bars in pixels, from left to right, without the legend's key."""
    drawn = painted(image[: int(image.shape[0] * 0.85)], colour)
    heights = drawn.sum(axis=0)
    at = np.flatnonzero(heights > 3)
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    return [int(np.median(heights[run])) for run in runs if len(run) > 20]


def test_bars_are_as_high_as_there_are_radiographs(tmp_path: Path) -> None:
    radiograph_plots.plot_class_counts(COUNTS, tmp_path / "new" / "classes")
    image = picture(tmp_path / "new" / "classes.png")
    normal, pneumonia = bars(image, BLUE), bars(image, VERMILION)
    assert len(normal) == len(pneumonia) == 2
    full = pneumonia[0]
    shares = [height / full for height in (normal[0], normal[1], pneumonia[1])]
    assert shares == pytest.approx([100 / 300, 25 / 300, 75 / 300], abs=0.02)


def test_three_classes_and_an_empty_one(tmp_path: Path) -> None:
    counts = {"test": {"normal": 50, "bacterial": 0, "viral": 20}}
    radiograph_plots.plot_class_counts(counts, tmp_path / "classes")
    image = picture(tmp_path / "classes.png")
    (normal,), (viral,) = bars(image, BLUE), bars(image, radiograph_plots._COLOURS["viral"])
    assert viral / normal == pytest.approx(0.4, abs=0.02)
    assert bars(image, radiograph_plots._COLOURS["bacterial"]) == []


def test_no_part_of_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part of the data"):
        radiograph_plots.plot_class_counts({}, tmp_path)


def test_right_and_wrong_radiographs_are_told_apart_and_all_are_shown(tmp_path: Path) -> None:
    """Six flat films of one level each but for a mark, so that each can be found again."""
    squares = [np.full((40, 50), 90, np.uint8) for _ in range(6)]
    for square in squares:
        square[:20] = 200
    truths = ["normal", "viral", "viral", "bacterial", "normal", "normal"]
    called = ["normal", "viral", "bacterial", "bacterial", "normal", "normal"]
    shown = [Example(*one, 0.9) for one in zip(squares, truths, called, strict=True)]
    radiograph_plots.plot_examples(shown, tmp_path / "examples")
    image = picture(tmp_path / "examples.png")
    # Each film is shown from its darkest level to its brightest: half black, half white.
    black = (image.max(axis=2) < 10).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(black)
    blocks = stats[1:][stats[1:, cv2.CC_STAT_AREA] > 5000]
    assert len(blocks) == 6
    widths, heights = blocks[:, cv2.CC_STAT_WIDTH], blocks[:, cv2.CC_STAT_HEIGHT]
    assert widths / heights == pytest.approx(np.full(6, 50 / 20), rel=0.05)  # undistorted
    # Wrong in its colour above the third film only.
    third = sorted(blocks[:, cv2.CC_STAT_LEFT])[-1]
    rows, columns = np.nonzero(painted(image, radiograph_plots._WRONG))
    assert len(rows) > 100
    first_row = blocks[blocks[:, cv2.CC_STAT_TOP] < image.shape[0] / 2]
    lefts = np.sort(first_row[:, cv2.CC_STAT_LEFT])
    assert third == lefts[3]
    assert lefts[2] - 40 < columns.min()
    assert columns.max() < lefts[3]
    assert rows.max() < image.shape[0] / 2


def test_nothing_to_show_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no radiograph to show"):
        radiograph_plots.plot_examples([], tmp_path / "examples")


def test_the_same_radiographs_give_the_same_bytes(tmp_path: Path) -> None:
    shown = [Example((255 * np.eye(30)).astype(np.uint8), "normal", "viral", 0.5)] * 5
    for name in ("one", "two"):
        radiograph_plots.plot_examples(shown, tmp_path / name / "examples")
        radiograph_plots.plot_class_counts(COUNTS, tmp_path / name / "classes")
    for name in ("examples.png", "classes.png", "classes.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
