"""DICOM files and pictures under test: every one is made here, none is a patient's."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "jpeg": JPEGBaseline8Bit,
    "extended": JPEGExtended12Bit,
    "lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "htj2k": HTJ2KLossless,
    "rle": RLELossless,
}


COMPRESSED = tuple(name for name, uid in SYNTAXES.items() if uid.is_encapsulated)


def encode(picture: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def compress(pixels: NDArray[Any], syntax: str, bits: int) -> bytes:
    """One frame's codestream; signed pixels are stored as their two's complement."""
    data = np.ascontiguousarray(pixels.view(f"u{pixels.itemsize}") & (2**bits - 1))
    match syntax:
        case "jpeg":
            return encode(Image.fromarray(pixels), "JPEG", quality=95)
        case "extended":
            return bytes(imagecodecs.jpeg8_encode(data, level=100, bitspersample=12))
        case "lossless":
            return bytes(imagecodecs.jpeg8_encode(data, lossless=True, bitspersample=bits))
        case "jpeg-2000":
            return bytes(
                imagecodecs.jpeg2k_encode(
                    pixels, codecformat="j2k", reversible=True, bitspersample=bits
                )
            )
        case "htj2k":
            return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
        case _:
            return get_encoder(SYNTAXES[syntax]).encode(
                pixels,
                encoding_plugin={"jpeg-ls": "pyjpegls", "rle": "pydicom"}[syntax],
                rows=pixels.shape[0],
                columns=pixels.shape[1],
                samples_per_pixel=1 if pixels.ndim == 2 else 3,
                number_of_frames=1,
                bits_allocated=8 * pixels.itemsize,
                bits_stored=bits,
                pixel_representation=int(pixels.dtype.kind == "i"),
                photometric_interpretation="MONOCHROME2" if pixels.ndim == 2 else "RGB",
                planar_configuration=0,
            )


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
    if syntax in COMPRESSED:
        bits = attributes.get("BitsStored") or dataset.BitsStored
        dataset.PixelData = encapsulate([compress(pixels, syntax, bits)])
    else:
        dataset.PixelData = stored.tobytes()
    # Bytes are OB, but implicit VR knows OW only (PS3.5 8.1.1).
    is_bytes = (pixels.itemsize == 1 or syntax in COMPRESSED) and syntax != "implicit"
    dataset["PixelData"].VR = "OB" if is_bytes else "OW"
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


def pack(
    files: Mapping[Any, bytes] | Iterable[tuple[Any, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A ZIP archive, by names or by :class:`zipfile.ZipInfo`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, data)
    return out.getvalue()


def pack_directory(files: Iterable[tuple[str, list[str], str]], items: int = 0) -> bytes:
    """A DICOMDIR with a patient's name in it, of records of type, path and SOP class.

    ``items``: so many empty records beside these.
    """
    patient = Dataset()
    patient.DirectoryRecordType, patient.PatientName = "PATIENT", "Doe^Jane"
    records = [patient]
    for kind, path, uid in files:
        record = Dataset()
        record.DirectoryRecordType = kind
        record.ReferencedFileID = path
        record.ReferencedSOPClassUIDInFile = uid
        records.append(record)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.FileSetID = "DISC"
    if items:
        empty = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * items
        dataset.add_new(0x00041220, "UN", empty)
    else:
        dataset.DirectoryRecordSequence = records
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    data = out.getvalue()
    return data.replace(b"\x04\x00\x20\x12UN", b"\x04\x00\x20\x12SQ") if items else data
