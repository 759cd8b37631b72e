"""DICOM attributes that are read, and what their values must be to be decoded.

Every refusal names the attribute and its tag.
"""

import struct
from itertools import pairwise
from typing import Any, Final

from pneumonia.errors import DamagedImage, NoPixelData, UnsupportedEncoding
from pneumonia.imaging import codestream
from pneumonia.imaging.dicom_facts import printable
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.transfer_syntax import COMPRESSED, JPEG, JPEG2000, RLE, UNCOMPRESSED

ATTRIBUTES: Final = {
    "TransferSyntaxUID": "(0002,0010)",
    "SOPClassUID": "(0008,0016)",
    "Modality": "(0008,0060)",
    "PatientAge": "(0010,1010)",
    "BodyPartExamined": "(0018,0015)",
    "ImagerPixelSpacing": "(0018,1164)",
    "ViewPosition": "(0018,5101)",
    "PatientOrientation": "(0020,0020)",
    "Laterality": "(0020,0060)",
    "ImageLaterality": "(0020,0062)",
    "SamplesPerPixel": "(0028,0002)",
    "PhotometricInterpretation": "(0028,0004)",
    "PlanarConfiguration": "(0028,0006)",
    "NumberOfFrames": "(0028,0008)",
    "Rows": "(0028,0010)",
    "Columns": "(0028,0011)",
    "PixelSpacing": "(0028,0030)",
    "PixelAspectRatio": "(0028,0034)",
    "BitsAllocated": "(0028,0100)",
    "BitsStored": "(0028,0101)",
    "HighBit": "(0028,0102)",
    "PixelRepresentation": "(0028,0103)",
    "BurnedInAnnotation": "(0028,0301)",
    "WindowCenter": "(0028,1050)",
    "WindowWidth": "(0028,1051)",
    "RescaleIntercept": "(0028,1052)",
    "RescaleSlope": "(0028,1053)",
    "VOILUTFunction": "(0028,1056)",
    "RedPaletteColorLookupTableDescriptor": "(0028,1101)",
    "GreenPaletteColorLookupTableDescriptor": "(0028,1102)",
    "BluePaletteColorLookupTableDescriptor": "(0028,1103)",
    "RedPaletteColorLookupTableData": "(0028,1201)",
    "GreenPaletteColorLookupTableData": "(0028,1202)",
    "BluePaletteColorLookupTableData": "(0028,1203)",
    "ModalityLUTSequence": "(0028,3000)",
    "VOILUTSequence": "(0028,3010)",
    "PresentationLUTShape": "(2050,0020)",
    "FloatPixelData": "(7FE0,0008)",
    "DoubleFloatPixelData": "(7FE0,0009)",
    "PixelData": "(7FE0,0010)",
}
"""All that is read of a file, by keyword: the tag as the standard writes it."""

STUDY: Final = (
    0x00080005,  # Specific Character Set, of the names
    0x00080016,  # SOP Class and Instance UID
    0x00080018,
    0x00080020,  # Study Date and Time
    0x00080030,
    0x00080050,  # Accession Number
    0x00080060,  # Modality
    0x00080070,  # Manufacturer, Institution Name
    0x00080080,
    0x00080090,  # Referring Physician's Name
    0x00081090,  # Manufacturer's Model Name
    0x00100010,  # Patient's Name, ID, Birth Date, Sex
    0x00100020,
    0x00100030,
    0x00100040,
    0x0020000D,  # Study and Series Instance UID, Study ID
    0x0020000E,
    0x00200010,
    0x00200020,  # Patient Orientation
    0x00280301,  # Burned In Annotation
    0x00700042,  # Image Rotation: no film has it; added where the film was turned before reading
)
"""What places a result in the study of its film; never read for a reading (ADR 0033)."""

GREY: Final = ("MONOCHROME1", "MONOCHROME2")
PALETTE: Final = "PALETTE COLOR"
_YBR: Final = ("YBR_FULL", "YBR_FULL_422")
_YBR_JPEG2000: Final = ("YBR_RCT", "YBR_ICT")
_DCT: Final = frozenset((0xC0, 0xC1, 0xC2, 0xC3))
_JPEG_LS_FRAME: Final = frozenset((0xF7,))
EXPORT: Final = "Export the film as uncompressed DICOM, JPEG or PNG."


def check_pixels(dataset: Any, data: bytes) -> None:
    """Raises NoPixelData or another error that says why there is no picture of integers."""
    if "PixelData" in dataset:
        return
    for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
        if keyword in dataset:
            raise UnsupportedEncoding(
                f"The DICOM file's pixels are of floating point, {keyword} {ATTRIBUTES[keyword]}: "
                "it is a map of measurements. Send the film itself."
            )
    # An encapsulated image whose end is missing is left out: the tag is in the bytes, at least.
    if b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data:
        raise damaged_pixels("has no end: the file is cut off or damaged")
    kind = dataset.get("SOPClassUID")
    name = printable(kind.name) if kind else ""
    said = f": it is of the kind {name} (0008,0016)" if name else ""
    raise NoPixelData(
        f"The DICOM file has no Pixel Data (7FE0,0010){said}. A report, a presentation state, a "
        "directory or a file that is cut off before the image holds no film: send the film itself."
    )


def check_syntax(dataset: Any) -> str:
    """The transfer syntax's UID; raises where it is not decoded, or the pixels contradict it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (*UNCOMPRESSED, *COMPRESSED):
        name = syntax.name if syntax.name != syntax else "an unknown one"
        raise UnsupportedEncoding(
            f"The DICOM file's transfer syntax (0002,0010) is {printable(name)} "
            f"({printable(syntax)}), which is not decoded. {EXPORT}"
        )
    if dataset["PixelData"].is_undefined_length != (syntax in COMPRESSED):
        found = "not compressed" if syntax in COMPRESSED else "compressed"
        raise damaged_pixels(f"is {found}, but the transfer syntax (0002,0010) is {syntax.name}")
    return str(syntax)


def check_encoding(dataset: Any, syntax: str) -> None:
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    colours = ("RGB", *_YBR[: 2 if syntax in JPEG else 1])
    if syntax in JPEG2000:
        colours += _YBR_JPEG2000
    if photometric not in (*GREY, PALETTE, *colours):
        raise _unsupported(
            "PhotometricInterpretation",
            printable(photometric) or "missing",
            f"{', '.join(GREY)}, {PALETTE} and {', '.join(colours)} are read here",
        )
    samples = integer(dataset, "SamplesPerPixel", 1)
    if samples != (3 if photometric in colours else 1):
        raise _unsupported("SamplesPerPixel", samples, f"it does not fit {photometric}")
    allocated, stored = integer(dataset, "BitsAllocated"), integer(dataset, "BitsStored")
    if not 8 <= stored <= (16 if samples == 1 else 8):
        raise _unsupported("BitsStored", stored, "8 to 16 bits (8 in colour) are read")
    if allocated not in (8, 16) or allocated < stored:
        raise _unsupported("BitsAllocated", allocated, f"it must be 8 or 16 for {stored} stored")
    high = integer(dataset, "HighBit", stored - 1)
    if high != stored - 1:
        raise _unsupported("HighBit", high, f"it must be {stored - 1} for {stored} bits stored")
    if integer(dataset, "PixelRepresentation", 0) not in (0, 1):
        raise _unsupported("PixelRepresentation", "neither 0 nor 1", "these two are read")


def check_size(dataset: Any, syntax: str, limits: Limits) -> None:
    """Declared size against the limits, and against the bytes that are there.

    A file of several frames is cut down to its first.
    """
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise DamagedImage(
            f"The DICOM file declares {columns} x {rows} pixels, (0028,0011) Columns by "
            "(0028,0010) Rows. Export the film again."
        )
    samples = integer(dataset, "SamplesPerPixel", 1)
    limits.check_pixels(columns, rows, samples)
    frames = integer(dataset, "NumberOfFrames", 1) or 1
    if frames < 0:
        raise _unsupported("NumberOfFrames", frames, "1 or more are read")
    if syntax in COMPRESSED:
        _check_codestream(dataset, syntax, frames, limits)
        return
    frame_bytes = rows * columns * samples * integer(dataset, "BitsAllocated") // 8
    expected = frames * frame_bytes
    if (found := len(dataset.PixelData)) < expected:
        many = f" in {frames:,} frames" if frames > 1 else ""
        raise damaged_pixels(
            f"holds {found:,} bytes; {columns} x {rows} pixels{many} need {expected:,}. "
            "The file is cut off"
        )
    if frames > 1:
        dataset.PixelData = dataset.PixelData[: frame_bytes + frame_bytes % 2]
        dataset.NumberOfFrames = 1


def _check_codestream(dataset: Any, syntax: str, frames: int, limits: Limits) -> None:
    """The picture inside must be of the declared size: decoders allocate what it says itself."""
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(dataset.PixelData, 0, number_of_frames=frames)
    except Exception as error:
        raise damaged_pixels("holds no complete picture") from error
    if syntax == RLE:
        _check_segments(dataset, frame)
        return
    try:
        if syntax in JPEG2000:
            found = codestream.read_jpeg2000(frame)
        else:
            found = codestream.read_jpeg(frame, _DCT if syntax in JPEG else _JPEG_LS_FRAME)
    except ValueError as error:
        raise damaged_pixels(f"holds {error}") from error
    except struct.error as error:
        raise damaged_pixels("holds a picture that is cut off in its header") from error
    limits.check_pixels(found.width, found.height, found.samples)
    columns, rows = integer(dataset, "Columns"), integer(dataset, "Rows")
    declared = codestream.Codestream(
        columns, rows, integer(dataset, "SamplesPerPixel", 1), found.bits
    )
    if found != declared or found.bits > integer(dataset, "BitsAllocated"):
        raise damaged_pixels(
            f"holds a picture of {found.width} x {found.height} pixels, {found.samples} x "
            f"{found.bits} bits each, but (0028,0011) Columns, (0028,0010) Rows, (0028,0002) "
            f"Samples per Pixel and (0028,0100) Bits Allocated say {declared.width} x "
            f"{declared.height}, {declared.samples} x {integer(dataset, 'BitsAllocated')}"
        )


def _check_segments(dataset: Any, frame: bytes) -> None:
    """An RLE header (PS3.5 G.5): one segment for each byte of a pixel, one behind the other."""
    expected = integer(dataset, "SamplesPerPixel", 1) * integer(dataset, "BitsAllocated") // 8
    count, *offsets = struct.unpack_from("<16I", frame) if len(frame) >= 64 else (0,)
    offsets = [*offsets[:count], len(frame)]
    if count != expected or offsets[0] != 64 or any(a >= b for a, b in pairwise(offsets)):
        raise damaged_pixels(
            f"holds {count:,} RLE segments that do not lie one behind the other, or not the "
            f"{expected} that one pixel's bytes need"
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
