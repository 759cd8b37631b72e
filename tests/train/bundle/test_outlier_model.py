"""The fit finds what chest films share; nothing else takes part in it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pneumonia.analysis.engines.pytorch import as_run
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.outlier_model import OutlierModel
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks.lung_unet import LungUNet
from train.bundle import outlier_model


@pytest.fixture(scope="module")
def segmenter() -> LungSegmenter:
    torch.manual_seed(5)
    return LungSegmenter(as_run(LungUNet()), {"size": 64})


@pytest.fixture(scope="module")
def squares() -> np.ndarray:
    radiographs = [synthetic_radiograph(i, opacity=i % 2 == 1, size=(96, 96)) for i in range(12)]
    return np.stack(radiographs).astype(np.float32) / 255


def test_99_of_100_of_the_fitted_lie_within_the_usual_distance() -> None:
    random = np.random.default_rng(0)
    features = random.normal(0, (9, 5, 1, 1, 1, 1), (500, 6)).astype(np.float32) + 3
    found = outlier_model.describe(features, axes=2)
    distances = np.array([OutlierModel.from_dict(found).distance(row) for row in features])
    assert (distances > 1).sum() == 5
    # The two wide directions are explained; another is not.
    assert OutlierModel.from_dict(found).distance(np.array([60, -40, 3, 3, 3, 3], np.float32)) < 1
    assert OutlierModel.from_dict(found).distance(np.array([3, 3, 30, 3, 3, 3], np.float32)) > 6


def test_a_fit_is_small_and_the_same_again(segmenter, squares) -> None:
    found = outlier_model.fit(segmenter, squares)
    assert found == outlier_model.fit(segmenter, squares)
    assert found["films"] == 12
    assert len(json.dumps(found)) < 100_000
    described = OutlierModel.from_dict(found)
    assert described.axes.shape == (6, 416)  # of 24 pictures, not every direction
    np.testing.assert_allclose(described.axes @ described.axes.T, np.eye(6), atol=2e-3)


def test_of_many_films_small_sources_are_taken_whole_and_the_others_alike() -> None:
    sources = np.array(["large"] * 500 + ["middle"] * 200 + ["small"] * 10)
    taken = sources[outlier_model._spread(sources, 110)]
    assert {name: int((taken == name).sum()) for name in set(sources)} == {
        "large": 50,
        "middle": 50,
        "small": 10,
    }
    assert len(outlier_model._spread(sources, 10_000)) == 710


class Recorder:
    """A finder whose features are a film's mean grey, and which remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def segment(self, radiographs):
        self.shown += radiographs
        return [
            SimpleNamespace(features=np.full(20, radiograph.mean(), np.float32))
            for radiograph in radiographs
        ]


def test_of_many_radiographs_evenly_spaced_ones_are_taken_each_also_changed(
    squares, monkeypatch
) -> None:
    monkeypatch.setattr(outlier_model, "RADIOGRAPHS", 3)
    recorder = Recorder()
    assert outlier_model.fit(recorder, squares)["films"] == 3  # type: ignore[arg-type]
    np.testing.assert_array_equal(recorder.shown[::2], squares[[0, 6, 11]])
    for plain, changed in zip(recorder.shown[::2], recorder.shown[1::2], strict=True):
        assert 0.002 < np.abs(plain - changed).mean() < 0.3
