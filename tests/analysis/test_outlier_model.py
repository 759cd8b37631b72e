"""Distance from chest films, as a card keeps it."""

import json

import numpy as np
import pytest

from pneumonia.analysis.outlier_model import OutlierModel


@pytest.fixture
def plane() -> OutlierModel:
    """Films spread over the first two of four numbers, about (1, 2, 3, 4)."""
    return OutlierModel(np.array([1, 2, 3, 4], np.float32), np.eye(2, 4, dtype=np.float32), 0.5)


def test_only_what_the_axes_do_not_explain_counts(plane: OutlierModel) -> None:
    assert plane.distance(np.array([9, -7, 3, 4], np.float32)) == 0
    assert plane.distance(np.array([9, -7, 6, 8], np.float32)) == pytest.approx(5 / 0.5)


def test_a_card_keeps_it(plane: OutlierModel) -> None:
    kept = json.loads(json.dumps(plane.as_dict()))
    features = np.array([0, 0, 5, 4], np.float32)
    assert OutlierModel.from_dict(kept).distance(features) == pytest.approx(
        plane.distance(features)
    )
    assert np.array_equal(OutlierModel.from_dict(kept).axes, plane.axes)


@pytest.mark.parametrize(
    "change", [{"usual": 0}, {"usual": -1.0}, {"axes": "AAAAAAAAAA=="}, {"mean": "?"}]
)
def test_a_damaged_description_is_not_taken(plane: OutlierModel, change) -> None:
    with pytest.raises(ValueError):
        OutlierModel.from_dict(plane.as_dict() | change)
