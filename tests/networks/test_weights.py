"""Weights files: read back as written, and refused with a sentence when they are not sound."""

import json
import struct
from pathlib import Path

import pytest
import torch

from pneumonia.networks import weights
from train.files import write_weights

TENSORS = {
    "a.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "b": torch.tensor(7, dtype=torch.int64),
    "half": torch.randn(5, generator=torch.manual_seed(0)).half(),
    "brain": torch.ones(2, 3, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 4),
    "mask": torch.tensor([True, False]),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", TENSORS, "resnet50")
    read = weights.read(tmp_path / "w.safetensors")
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_weights(one, TENSORS)
    write_weights(two, dict(reversed(TENSORS.items())))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("kept", [0, 4, 8, 40, 400, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, TENSORS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(weights.WeightsFileError, match="it is no sound safetensors file"):
        weights.read(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 99]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "C129", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        None,
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"t": entry}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(weights.WeightsFileError, match="it is no sound safetensors file"):
        weights.read(path)


def test_a_huge_header_length_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(weights.WeightsFileError, match="it is no sound safetensors file"):
        weights.read(path)


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        weights.read(tmp_path / "absent")
