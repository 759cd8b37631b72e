"""Weights on disk as ``.safetensors``: tensors and nothing that runs."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


class WeightsFileError(ValueError):
    """The file is not a sound safetensors file; the text says what is wrong with it."""


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by name.

    Raises
    ------
    WeightsFileError
        When the file is not sound.
    OSError
        When it cannot be read.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsFileError(f"it is no sound safetensors file ({error})") from None
