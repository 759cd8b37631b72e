"""The lung network on disk."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pneumonia.analysis import lung_card
from pneumonia.analysis.engines.pytorch import as_run, load_segmenter
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.outlier_model import OutlierModel
from pneumonia.errors import DamagedBundle
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.networks.lung_unet import LungUNet
from tests.analysis.drawn_lungs import LIMITS
from train.bundle.export import round_to_half
from train.bundle.lungs import write

TYPICAL = OutlierModel(np.zeros(416, np.float32), np.eye(2, 416, dtype=np.float32)).as_dict()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    torch.manual_seed(5)
    network = LungUNet()
    round_to_half(network.eval())
    folder = tmp_path_factory.mktemp("lungs")
    write(folder, network, {"size": 64, "outlier_model": TYPICAL, "gate": asdict(LIMITS)})
    return folder, network


def radiograph(seed: int) -> np.ndarray:
    return synthetic_radiograph(seed, opacity=False, size=(128, 128)).astype(np.float32) / 255


def test_what_is_read_sees_what_was_written(written) -> None:
    folder, network = written
    (read,) = load_segmenter(folder).segment([radiograph(1)])
    (kept,) = LungSegmenter(as_run(network), {"size": 64}).segment([radiograph(1)])
    np.testing.assert_allclose(read.lungs.probability, kept.lungs.probability, atol=1e-5)
    assert read.lungs.probability.shape == (128, 128)
    assert read.turned.sum() == pytest.approx(1, abs=1e-5)
    assert 0 <= read.inverted <= 1
    assert read.features.shape == (416,)


def test_what_the_gate_expects_comes_with_it(written) -> None:
    expected = load_segmenter(written[0]).expected
    assert expected.outlier_model.as_dict() == TYPICAL
    assert expected.limits == LIMITS


def test_order_is_kept(written) -> None:
    segmenter = load_segmenter(written[0])
    one = radiograph(1)
    two = np.random.default_rng(0).random((128, 128), np.float32)
    first, second = (segmentation.features for segmentation in segmenter.segment([one, two]))
    (alone,) = segmenter.segment([two])
    assert np.abs(alone.features - second).max() < 0.01 * np.abs(alone.features - first).max()


SHORT = OutlierModel(np.zeros(9, np.float32), np.eye(2, 9, dtype=np.float32)).as_dict()


def change(folder: Path, **values: Any) -> None:
    path = folder / "lungs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "lungs.json").write_text("{"),
        lambda folder: (folder / "lungs.json").write_text("{}"),
        lambda folder: (folder / "lungs.json").write_text(
            '{"size": 64, "outlier_model": {"n": 3}}'
        ),
        lambda folder: change(folder, size=None),
        lambda folder: change(folder, size=100),
        lambda folder: change(folder, outlier_model=None),
        lambda folder: change(folder, outlier_model=SHORT),
        lambda folder: change(folder, gate=None),
        lambda folder: change(folder, gate=asdict(LIMITS) | {"far": "far"}),
        lambda folder: change(folder, gate=asdict(LIMITS) | {"tight": {"left": 0.1}}),
        lambda folder: (folder / "lungs.json").unlink(),
        lambda folder: (folder / "lungs.safetensors").write_bytes(b"no"),
        lambda folder: (folder / "lungs.safetensors").unlink(),
    ],
)
def test_damage_is_a_sentence(written, tmp_path, spoil) -> None:
    for name in ("lungs.json", "lungs.safetensors"):
        (tmp_path / name).write_bytes((written[0] / name).read_bytes())
    spoil(tmp_path)
    with pytest.raises(DamagedBundle, match=r"lung network in .* cannot be used: .*--recipe lungs"):
        load_segmenter(tmp_path)


def test_the_digest_is_of_the_weights(written, tmp_path) -> None:
    (tmp_path / "lungs.safetensors").write_bytes((written[0] / "lungs.safetensors").read_bytes())
    before = lung_card.digest(str(tmp_path))
    assert before == lung_card.digest(str(written[0]))
    (tmp_path / "lungs.safetensors").write_bytes(b"other")
    assert lung_card.digest(str(tmp_path)) != before
    assert lung_card.digest("none") == ""
