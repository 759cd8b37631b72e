"""DICOM attributes that are read, and what their values must be to be decoded.

Every refusal names the attribute and its tag.
"""

from typing import Any, Final

from pneumonia.errors import DamagedImage, UnsupportedEncoding
from pneumonia.imaging import raster
from pneumonia.imaging.dicom_facts import printable
from pneumonia.imaging.limits import Limits

ATTRIBUTES: Final = {
    "TransferSyntaxUID": "(0002,0010)",
    "Modality": "(0008,0060)",
    "BodyPartExamined": "(0018,0015)",
    "ViewPosition": "(0018,5101)",
    "Laterality": "(0020,0060)",
    "ImageLaterality": "(0020,0062)",
    "PatientAge": "(0010,1010)",
    "SamplesPerPixel": "(0028,0002)",
    "PhotometricInterpretation": "(0028,0004)",
    "PlanarConfiguration": "(0028,0006)",
    "NumberOfFrames": "(0028,0008)",
    "Rows": "(0028,0010)",
    "Columns": "(0028,0011)",
    "BitsAllocated": "(0028,0100)",
    "BitsStored": "(0028,0101)",
    "HighBit": "(0028,0102)",
    "PixelRepresentation": "(0028,0103)",
    "WindowCenter": "(0028,1050)",
    "WindowWidth": "(0028,1051)",
    "RescaleIntercept": "(0028,1052)",
    "RescaleSlope": "(0028,1053)",
    "VOILUTFunction": "(0028,1056)",
    "ModalityLUTSequence": "(0028,3000)",
    "VOILUTSequence": "(0028,3010)",
    "PresentationLUTShape": "(2050,0020)",
    "PixelData": "(7FE0,0010)",
}
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
UNCOMPRESSED: Final = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422")
EXPORT: Final = "Export the film as uncompressed DICOM, JPEG or PNG."


def check_syntax(dataset: Any) -> str:
    """The transfer syntax's UID; raises where this reader cannot decode it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (*UNCOMPRESSED, JPEG_BASELINE):
        name = syntax.name if syntax.name != syntax else "an unknown one"
        raise UnsupportedEncoding(
            f"The DICOM file's transfer syntax (0002,0010) is {printable(name)} "
            f"({printable(syntax)}); uncompressed and JPEG Baseline are read. {EXPORT}"
        )
    return str(syntax)


def check_encoding(dataset: Any, syntax: str) -> None:
    frames = integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise _unsupported("NumberOfFrames", f"{frames:,}", "a single frame is read")
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if photometric not in (*_GREY, *_COLOUR):
        raise _unsupported(
            "PhotometricInterpretation",
            printable(photometric) or "missing",
            f"{', '.join(_GREY)} and RGB are read",
        )
    samples = integer(dataset, "SamplesPerPixel", 1)
    if samples != (1 if photometric in _GREY else 3):
        raise _unsupported("SamplesPerPixel", samples, f"it does not fit {photometric}")
    if photometric == "YBR_FULL_422" and syntax != JPEG_BASELINE:
        raise _unsupported("PhotometricInterpretation", photometric, "RGB is read, uncompressed")
    allocated, stored = integer(dataset, "BitsAllocated"), integer(dataset, "BitsStored")
    if not 8 <= stored <= (16 if samples == 1 else 8):
        raise _unsupported("BitsStored", stored, "8 to 16 bits (8 in colour) are read")
    if allocated not in (8, 16) or allocated < stored:
        raise _unsupported("BitsAllocated", allocated, f"it must be 8 or 16 for {stored} stored")
    high = integer(dataset, "HighBit", stored - 1)
    if high != stored - 1:
        raise _unsupported("HighBit", high, f"it must be {stored - 1} for {stored} bits stored")


def check_size(dataset: Any, syntax: str, limits: Limits) -> None:
    """Declared size against the limits, and against the bytes that are there."""
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise DamagedImage(
            f"The DICOM file declares {columns} x {rows} pixels, (0028,0011) Columns by "
            "(0028,0010) Rows. Export the film again."
        )
    limits.check_pixels(columns, rows)
    if syntax == JPEG_BASELINE:
        _check_frame(dataset, rows, columns, limits)
        return
    samples = integer(dataset, "SamplesPerPixel", 1)
    expected = rows * columns * samples * integer(dataset, "BitsAllocated") // 8
    if (found := len(dataset.PixelData)) < expected:
        raise damaged_pixels(
            f"holds {found:,} bytes; {columns} x {rows} pixels need {expected:,}. "
            "The file is cut off"
        )


def _check_frame(dataset: Any, rows: int, columns: int, limits: Limits) -> None:
    """The JPEG inside must be of the declared size, or it would be decoded at its own."""
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except Exception as error:
        raise damaged_pixels("holds no complete JPEG picture") from error
    try:
        width, height = raster.check_header(frame, limits)
    except DamagedImage as error:
        raise damaged_pixels("holds a damaged JPEG picture") from error
    if (width, height) != (columns, rows):
        raise damaged_pixels(
            f"holds a JPEG of {width} x {height} pixels, but (0028,0011) Columns and (0028,0010) "
            f"Rows say {columns} x {rows}"
        )


def integer(dataset: Any, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        value = default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise DamagedImage(
            f"The DICOM file's {keyword} {ATTRIBUTES[keyword]} is missing or not a number. "
            "Export the film again, or as a JPEG or PNG."
        ) from None


def _unsupported(keyword: str, value: object, accepted: str) -> UnsupportedEncoding:
    return UnsupportedEncoding(
        f"The DICOM file's {keyword} {ATTRIBUTES[keyword]} is {value}; {accepted}. {EXPORT}"
    )


def damaged_pixels(what: str) -> DamagedImage:
    return DamagedImage(
        f"The DICOM file's Pixel Data (7FE0,0010) {what}. Copy or export the film again."
    )
