"""Builders of the files under test: every input is made here, none is a patient's."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

MakeFile = Callable[..., bytes]

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "jpeg": JPEGBaseline8Bit,
}


def encode(picture: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def encode_dicom(pixels: NDArray[Any], syntax: str = "explicit", **attributes: Any) -> bytes:
    """A film with a patient's name in it; an attribute set to None is left out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.TransferSyntaxUID = SYNTAXES.get(syntax, syntax)
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "ID-4711"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    is_little = syntax != "big"
    stored = pixels.astype(pixels.dtype.newbyteorder("<" if is_little else ">"))
    if syntax == "jpeg":
        dataset.PixelData = encapsulate([encode(Image.fromarray(pixels), "JPEG", quality=95)])
    else:
        dataset.PixelData = stored.tobytes()
    # Bytes are OB, but implicit VR knows OW only (PS3.5 8.1.1).
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 and syntax != "implicit" else "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if "HighBit" not in attributes and "BitsStored" in dataset:
        dataset.HighBit = dataset.BitsStored - 1
    file = io.BytesIO()
    dataset.save_as(
        file, implicit_vr=syntax == "implicit", little_endian=is_little, enforce_file_format=True
    )
    return file.getvalue()


def make_table(outputs: list[int], first: int, bits: int, *, signed: bool = False) -> Dataset:
    """One item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(outputs), first, bits])
    item.add_new("LUTData", "US", outputs)
    return item


@pytest.fixture(scope="session", name="encode")
def _encode() -> MakeFile:
    return encode


@pytest.fixture(scope="session", name="encode_dicom")
def _encode_dicom() -> MakeFile:
    return encode_dicom


@pytest.fixture(scope="session", name="make_table")
def _make_table() -> Callable[..., Dataset]:
    return make_table


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """All 256 levels, wider than high, with no symmetry."""
    return np.arange(256, dtype=np.uint8).reshape(8, 32)
