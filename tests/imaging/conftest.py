"""Builders of the files under test, as fixtures."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.dicom_files import compress, encode, encode_dicom, make_table

MakeFile = Callable[..., bytes]


@pytest.fixture(scope="session", name="encode")
def _encode() -> MakeFile:
    return encode


@pytest.fixture(scope="session", name="encode_dicom")
def _encode_dicom() -> MakeFile:
    return encode_dicom


@pytest.fixture(scope="session", name="compress_frame")
def _compress_frame() -> Callable[..., bytes]:
    return compress


@pytest.fixture(scope="session", name="make_table")
def _make_table() -> Callable[..., Dataset]:
    return make_table


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """All 256 levels, wider than high, with no symmetry."""
    return np.arange(256, dtype=np.uint8).reshape(8, 32)
