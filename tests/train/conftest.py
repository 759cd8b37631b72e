"""A small folder of synthetic films in the training layout, and a reporter that listens."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from pneumonia.imaging.synthetic import synthetic_radiograph
from train.data.declaration import SHIPPED


@pytest.fixture(scope="session")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 synthetic films of 60 patients, half of them with a consolidation nobody can miss.

    It is a white block, so that even a tiny network learns it in seconds, whatever the seed.
    """
    root = tmp_path_factory.mktemp("films")
    shutil.copy(SHIPPED / "kermany.toml", root / "data.toml")
    for seed in range(60):
        sick = seed % 2 == 1
        name = f"person{seed}_virus_{seed}.png" if sick else f"IM-{seed:04}-0001.png"
        folder = root / "train" / ("PNEUMONIA" if sick else "NORMAL")
        folder.mkdir(parents=True, exist_ok=True)
        radiograph = synthetic_radiograph(seed, opacity=sick, size=(96, 112))
        if sick:
            radiograph[30:70, 20:95] = 255
        cv2.imwrite(str(folder / name), radiograph)
    return root


class Listener:
    """A reporter that keeps what it is told, and can pull the plug at a given bar."""

    def __init__(self, stop_at: str = "") -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.bars: dict[str, int] = {}
        self.stop_at = stop_at

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def bar(self, label: str, total: int):
        self.bars[label] = 0

        def advance(n: int) -> None:
            self.bars[label] += n
            if label == self.stop_at and self.bars[label] >= total // 2:
                raise KeyboardInterrupt

        yield advance


@pytest.fixture
def listener() -> Listener:
    return Listener()
