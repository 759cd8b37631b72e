"""The drawings and boxes of the real data, as the evidence report uses them."""

from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.finding import ActivationMap
from pneumonia.imaging.preprocess import Geometry
from train import perturbations
from train.data import manifest
from train.evaluate import heat
from train.evaluate.scoring import drawn_lungs, read_radiograph

pytestmark = pytest.mark.real


def test_drawn_lungs_lie_where_lungs_lie(real_data: Path) -> None:
    rows = [row for row in manifest.load(real_data / "kermany").rows if row.mask][::150]
    assert len(rows) > 30
    shares = []
    for row in rows:
        lungs = drawn_lungs(row)
        assert lungs is not None
        assert lungs.box is not None
        x0, y0, x1, y1 = lungs.box
        assert x0 < 0.5 < x1
        assert y0 < 0.5 < y1
        shares.append(lungs.mask.mean())
    assert 0.25 < np.mean(shares) < 0.45


def test_the_rectangle_over_the_lungs_leaves_no_lung(real_data: Path) -> None:
    for row in [row for row in manifest.load(real_data / "kermany").rows if row.mask][::400]:
        radiograph, lungs = read_radiograph(row), drawn_lungs(row)
        covered = perturbations.black_out_lungs(
            radiograph.pixels, lungs, perturbations.generator(row.file, "x")
        )
        assert lungs is not None
        assert covered.shape == lungs.mask.shape
        assert covered[lungs.mask].max() == 0


def test_every_box_lies_on_its_radiograph(real_data: Path) -> None:
    rows = [row for row in manifest.load(real_data / "nih").rows if row.boxes]
    assert len(rows) == 20
    for row in rows:
        radiograph = read_radiograph(row)
        geometry = Geometry(
            radiograph.width, radiograph.height, (0, 0, radiograph.width, radiograph.height)
        )
        even = ActivationMap(np.ones((7, 7), np.float32), 1.0, geometry)
        found = heat.point_at(even, row.boxes, None)
        areas = [w * h for _, _, w, h in row.boxes]
        assert found.share_of_radiograph == pytest.approx(
            sum(areas) / radiograph.pixels.size, rel=0.05
        )
        assert found.iou == pytest.approx(found.share_of_radiograph)
