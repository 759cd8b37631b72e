"""Which films a report shows, and how they are called there."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.train.evaluate.builders import by_hand
from tests.train.fakes import FakePredictor
from train.data.manifest import Row
from train.evaluate import examples
from train.evaluate.examples import Calls
from train.evaluate.scoring import score


def calls(truths: str, called: str) -> Calls:
    names = {"n": "normal", "b": "bacterial", "v": "viral"}
    n = len(truths)
    return Calls([names[t] for t in truths], [names[c] for c in called], [0.5] * n)


def test_calls_are_of_three_classes_where_the_radiograph_is_known() -> None:
    found = Calls.of(by_hand())
    assert found.truths[:4] == ["normal", "normal", "normal", "bacterial"]
    assert found.called[:4] == ["normal", "normal", "bacterial", "bacterial"]
    assert (found.truths[10], found.called[10]) == ("pneumonia", "pneumonia")
    assert found.confidences[0] == pytest.approx(0.9)
    assert found.confidences[3] == pytest.approx(0.9 * 0.8)
    assert found.confidences[10] == pytest.approx(0.7)


def test_calls_of_a_model_of_two_classes_are_those_of_the_operating_point() -> None:
    found = Calls.of(replace(by_hand(), viral=None))
    assert found.truths == ["normal"] * 3 + ["pneumonia"] * 8
    assert found.called[7] == "normal"
    assert found.confidences[7] == pytest.approx(0.8)


def test_a_third_is_wrong_and_the_classes_take_turns() -> None:
    many = calls(
        "n" * 90 + "b" * 20 + "v" * 10, "n" * 80 + "v" * 10 + "b" * 15 + "n" * 5 + "v" * 10
    )
    chosen = examples.choose(many, 12)
    assert len(set(chosen)) == 12
    is_wrong = [many.truths[i] != many.called[i] for i in chosen]
    assert is_wrong == [False] * 8 + [True] * 4
    kinds = [many.truths[i] for i in chosen]
    assert sorted(kinds[:6]) == sorted(["normal", "bacterial", "viral"] * 2)
    assert kinds[8:].count("bacterial") == kinds[8:].count("normal") == 2
    assert examples.choose(many, 12) == chosen


@pytest.mark.parametrize(
    ("truths", "called", "wrong"),
    [
        ("n" * 20, "n" * 20, 0),
        ("n" * 20, "n" * 19 + "b", 1),
        ("n" * 20, "b" * 20, 12),
        ("n" * 20, "n" * 3 + "b" * 17, 9),
        ("nnv", "nvv", 1),
    ],
)
def test_what_is_there_fills_the_grid(truths: str, called: str, wrong: int) -> None:
    given = calls(truths, called)
    chosen = examples.choose(given, 12)
    assert len(chosen) == min(12, len(truths))
    assert sum(given.truths[i] != given.called[i] for i in chosen) == wrong


def test_radiographs_are_shown_small_and_undistorted(tmp_path: Path) -> None:
    radiograph = np.full((300, 600), 40, np.uint8)
    radiograph[:, 300:] = 220
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), radiograph)
    row = Row("test/a.png", path, "test", "NORMAL", "a")
    predictions = score(FakePredictor(), [row])
    (example,) = examples.show(predictions, {row.file: row})
    assert (example.truth, example.called) == ("normal", "pneumonia")
    assert example.confidence == pytest.approx(130 / 255)
    assert example.picture.shape == (128, 256)
    assert example.picture.dtype == np.uint8
    assert example.picture[:, 10].mean() == pytest.approx(40, abs=1)
    assert example.picture[:, -10].mean() == pytest.approx(220, abs=1)
