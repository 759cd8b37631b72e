"""Our reader and writer of safetensors against the reference library."""

import json
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pneumonia.networks import weights

TENSORS = {
    "a.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "b": torch.tensor(7, dtype=torch.int64),
    "half": torch.randn(5, generator=torch.manual_seed(0)).half(),
    "brain": torch.ones(2, 3, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 4),
    "mask": torch.tensor([True, False]),
}


def test_library_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, TENSORS, {"architecture": "resnet50"})

    read = safetensors.torch.load_file(path)

    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"architecture": "resnet50"}


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(TENSORS, path, {"k": "v"})

    read, metadata = weights.read(path)

    assert metadata == {"k": "v"}
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype
        assert read[name].shape == tensor.shape
        assert torch.equal(read[name], tensor)


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    weights.write(one, TENSORS, {"x": "1", "y": "2"})
    weights.write(two, dict(reversed(TENSORS.items())), {"y": "2", "x": "1"})
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("kept", [0, 4, 8, 40, 400, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.safetensors"
    weights.write(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(weights.WeightsFileError, match=r"cut short|not JSON"):
        weights.read(path)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "does not fit its 4 bytes"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 99]}, "outside the file"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}, "outside the file"),
        ({"dtype": "C128", "shape": [1], "data_offsets": [0, 8]}, "unknown type C128"),
        ({"dtype": "F32", "shape": [2]}, "malformed"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "do not fill the file"),
        (None, "malformed"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entry: object, said: str) -> None:
    header = json.dumps({"t": entry}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(weights.WeightsFileError, match=said):
        weights.read(path)


def test_a_huge_header_length_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(weights.WeightsFileError, match="header"):
        weights.read(path)
