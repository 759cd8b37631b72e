"""Read and write ``.safetensors`` files: tensors and nothing that runs.

A file is an 8-byte little-endian length, a JSON header of that length, and the raw tensors. The
whole format fits on this page, and training then needs no package beyond torch's own (see
``docs/adr/0003-safetensors-and-card.md``); the tests hold it against the reference library.

Source: https://github.com/huggingface/safetensors#format
"""

import json
import math
import struct
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_MAX_HEADER_BYTES = 100_000_000  # the reference library's own bound


class WeightsFileError(ValueError):
    """The file is not a sound safetensors file; the text says what is wrong with it."""


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, ordered by name so that equal tensors give equal bytes, through a rename."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    blobs = []
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        blob = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(blobs)
    partial.replace(path)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors by name and the metadata.

    Raises
    ------
    WeightsFileError
        When the header is not sound or the tensors do not fill the file exactly.
    OSError
        When the file cannot be read.
    """
    data = bytearray(path.read_bytes())
    header, body = _header(data)
    metadata = header.pop("__metadata__", {})
    ends = [0]
    tensors = {}
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            tensors[name] = _tensor(memoryview(data)[body:], name, entry)
            ends += entry["data_offsets"]
    except (KeyError, TypeError, AttributeError) as error:
        raise WeightsFileError(f"the header's entries are malformed ({error})") from None
    gaps = any(a != b for a, b in list(pairwise(ends))[::2])
    if gaps or ends[-1] != len(data) - body:
        raise WeightsFileError("the tensors do not fill the file: it is cut short or has a gap")
    return tensors, metadata


def _header(data: bytearray) -> tuple[dict[str, Any], int]:
    length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    if not 2 <= length <= min(len(data) - 8, _MAX_HEADER_BYTES):
        raise WeightsFileError("it does not begin with a safetensors header, or is cut short")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        raise WeightsFileError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise WeightsFileError("its header is not a JSON object")
    return header, 8 + length


def _tensor(body: memoryview, name: str, entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = entry["shape"]
    dtype = _TYPES.get(entry["dtype"])
    if dtype is None:
        raise WeightsFileError(f"tensor {name} has the unknown type {entry['dtype']}")
    if not 0 <= begin <= end <= len(body) or any(n < 0 for n in shape):
        raise WeightsFileError(f"tensor {name} lies outside the file: it is cut short")
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise WeightsFileError(
            f"tensor {name} of shape {shape} does not fit its {end - begin} bytes"
        )
    if begin == end:
        return torch.empty(shape, dtype=dtype)
    # A copy: its memory is aligned, and the file's bytes can be let go.
    return torch.frombuffer(body[begin:end], dtype=torch.uint8).clone().view(dtype).reshape(shape)
