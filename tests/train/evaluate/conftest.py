"""A small folder of test films whose grey level says what a fake predictor makes of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data.manifest import Manifest, load


def png(level: float, *, contrast: int = 40, side: int = 256) -> bytes:
    """A checkered square whose mean grey level is ``level`` (0 to 1, to a 255th)."""
    squares = (np.indices((side, side)) // 16).sum(axis=0) % 2
    image = round(level * 255) + np.where(squares, contrast, -contrast)
    return bytes(cv2.imencode(".png", image.astype(np.uint8))[1])


def folder(tmp_path: Path, radiographs: dict[str, bytes]) -> Manifest:
    for name, content in radiographs.items():
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return load(tmp_path / "films", "kermany")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return folder(
        tmp_path,
        {
            "test/NORMAL/IM-0001-0001.png": png(0.3),
            "test/NORMAL/IM-0001-0002.png": png(0.6),
            "test/NORMAL/IM-0002-0001.png": png(0.2),
            "test/PNEUMONIA/person1_bacteria_1.png": png(0.7),
            "test/PNEUMONIA/person2_virus_1.png": png(0.48),
        },
    )
