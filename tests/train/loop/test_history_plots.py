"""Loss and accuracy of a run as plots."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.errors import DataError
from train.loop.history_plots import plot_history

HEADER = (
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_auroc,val_sensitivity,"
    "val_specificity,learning_rate,seconds\n"
)


def picture(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def test_history_draws_loss_and_accuracy(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(
        HEADER
        + "1,0.30,0.80,0.25,0.85,0.91,0.9,0.8,0.001,60\n"
        + "2,0.20,0.90,,0.88,nan,0.9,0.8,0.001,60\n"
        + "3,0.10,0.95,0.15,0.93,0.98,0.9,0.8,0.001,60\n"
    )
    plot_history(history, tmp_path / "plots")
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == [
        *("accuracy.png", "accuracy.svg", "loss.png", "loss.svg")
    ]
    before = picture(tmp_path / "plots" / "loss.png")
    assert before.shape == (630, 960, 3)
    history.write_text(history.read_text().replace("3,0.10", "3,0.40"))
    plot_history(history, tmp_path / "plots")
    assert (picture(tmp_path / "plots" / "loss.png") != before).any()


def test_history_of_one_epoch_shows_its_points(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(HEADER + "1,0.30,0.80,0.25,0.85,0.91,0.9,0.8,0.001,60\n")
    plot_history(history, tmp_path)
    blue = np.abs(picture(tmp_path / "loss.png").astype(int) - (0xB2, 0x72, 0x00)).sum(axis=2) < 40
    rows, _ = np.nonzero(blue[150:, :])  # below the legend
    assert len(rows) > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"history\.csv cannot be read \(No such file or directory\)"),
        (HEADER, "has no epoch yet; train at least one"),
        ("epoch,loss\n1,0.5\n", "has no column train_loss; it has epoch, loss"),
    ],
)
def test_a_history_that_cannot_be_drawn(tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        plot_history(tmp_path / "history.csv", tmp_path)
