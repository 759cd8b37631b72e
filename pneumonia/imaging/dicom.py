"""DICOM to Radiograph: the only place that reads DICOM.

Only the attributes in `_READ` are parsed at all, so nothing that identifies a patient is ever
held. pydicom is imported when the first DICOM arrives: training does without it.
"""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import (
    DamagedImage,
    FileTooLarge,
    ImageError,
    NoPixelData,
    UnsupportedEncoding,
)
from pneumonia.imaging import colour, grayscale, raster
from pneumonia.imaging.dicom_facts import contradictions, find_facts, printable
from pneumonia.imaging.dicom_scan import PIXEL_DATA, TRANSFER_SYNTAX, Encoding, scan
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph

_READ: Final = {
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
_JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_IMPLICIT: Final = "1.2.840.10008.1.2"
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
_UNCOMPRESSED: Final = (_IMPLICIT, _EXPLICIT, _BIG_ENDIAN)
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422")
_META: Final = range(0x00020000, 0x00030000)
_TAGS: Final = frozenset(
    int(tag[1:5] + tag[6:10], 16) for name, tag in _READ.items() if name != "TransferSyntaxUID"
)
_EXPORT: Final = "Export the film as uncompressed DICOM, JPEG or PNG."


@dataclass(frozen=True, slots=True)
class Header:
    """A DICOM file whose header has been read, once; its pixels have not.

    Attributes
    ----------
    pixels
        Rows times Columns; the most allowed where the header does not tell, or is deflated.
    dataset
        pydicom's data set of the few elements that are read; None for a deflated file, which is
        unpacked when it is decoded.
    """

    data: bytes
    pixels: int
    dataset: Any

    def decode(self, limits: Limits, sha256: str) -> Radiograph:
        """Decode the film.

        Raises
        ------
        TooManyPixels
            From Rows and Columns, before pixels are allocated.
        NoPixelData, UnsupportedEncoding, DamagedImage
            Each sentence names the attribute and its tag.
        """
        with _blaming_the_file(self.data):
            dataset = self.dataset
            if dataset is None:
                dataset = _parse(_inflate(self.data, limits), 0, _DEFLATED)
            if "PixelData" not in dataset:
                raise _without_pixels(self.data)
            syntax = _check_syntax(dataset)
            _check_encoding(dataset, syntax)
            _check_size(dataset, syntax, limits)
            return _radiograph(dataset, sha256)


def read_header(data: bytes, limits: Limits) -> Header:
    """Read the header of a DICOM file, within bounds on its elements.

    Raises
    ------
    TooManyPixels
        From Rows and Columns.
    UnsupportedEncoding
        Without pydicom.
    DamagedImage
        For more elements, deeper sequences or larger values than a film has.
    """
    _require_pydicom()
    with _blaming_the_file(data):
        at, syntax = _transfer_syntax(data)
        if syntax == _DEFLATED:
            return Header(data, limits.max_pixels, None)
        dataset = _parse(data, at, syntax)
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except Exception:  # decoding will say what is wrong
        return Header(data, limits.max_pixels, dataset)
    limits.check_pixels(columns, rows)
    return Header(data, rows * columns if rows > 0 and columns > 0 else limits.max_pixels, dataset)


@contextmanager
def _blaming_the_file(data: bytes) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # pydicom raises almost anything on hostile bytes
        raise DamagedImage(
            f"The DICOM file ({len(data):,} bytes) cannot be decoded: it is cut off or damaged. "
            "Export the film again, or as a JPEG or PNG."
        ) from error


def _require_pydicom() -> None:
    """Raises UnsupportedEncoding where it is not installed: training alone does not ask for it."""
    try:
        import pydicom  # noqa: F401
    except ImportError:
        raise UnsupportedEncoding(
            "Reading DICOM needs the Python package pydicom, which is not installed here. "
            "Install it, or export the film as PNG or JPEG."
        ) from None


def _transfer_syntax(data: bytes) -> tuple[int, str]:
    """Where the data set begins, and the UID in (0002,0010); empty where the file has none."""
    at = 132 if data[128:132] == b"DICM" else 0
    if data[at : at + 2] != b"\x02\0":  # a bare data set, without file meta information
        return at, ""
    meta = scan(data, at, Encoding(implicit=False), _META, last=_META.stop)
    end = max((element.end for element in meta.values()), default=at)
    uid = meta.get(TRANSFER_SYNTAX)
    name = data[uid.value : uid.end] if uid else b""
    return end, name.decode("ascii", "replace").strip("\0 ")


def _parse(data: bytes, at: int, syntax: str) -> Any:
    """pydicom's data set of the elements in ``_READ``, and no others."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    encoding = Encoding(syntax == _IMPLICIT, syntax != _BIG_ENDIAN)
    if not syntax:
        encoding = Encoding.guess(data, at)
        syntax = _UNCOMPRESSED[0 if encoding.implicit else 1 if encoding.little else 2]
    found = scan(data, at, encoding, _TAGS)
    pixels = found.pop(PIXEL_DATA, None)
    header = b"".join(data[element.begin : element.end] for element in found.values())
    dataset = read_dataset(io.BytesIO(header), encoding.implicit, encoding.little)
    if pixels is not None:
        dataset.add_new(PIXEL_DATA, pixels.vr.decode() or "OW", data[pixels.value : pixels.end])
        dataset["PixelData"].is_undefined_length = pixels.encapsulated
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT if syntax == _DEFLATED else syntax
    return dataset


def _without_pixels(data: bytes) -> ImageError:
    # An encapsulated image whose end is missing is left out: the tag is in the bytes, at least.
    if b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data:
        return _damaged_pixels("has no end: the file is cut off or damaged")
    return NoPixelData(
        "The DICOM file has no Pixel Data (7FE0,0010): it is a report, a presentation state or "
        "another object without an image, or it is cut off before the image. "
        "Export the film itself."
    )


def _inflate(data: bytes, limits: Limits) -> bytes:
    """The bare data set of a deflated file (PS3.5 A.5), unpacked no further than an image needs."""
    # pydicom would unpack without a bound: a 50 MB file can hold 50 GB.
    if data[128:140] != b"DICM\x02\0\0\0UL\x04\0":
        raise UnsupportedEncoding(
            "The DICOM file is deflated, transfer syntax "
            f"{_DEFLATED} (0002,0010), without "
            f"(0002,0000) File Meta Information Group Length. {_EXPORT}"
        )
    start = 144 + int.from_bytes(data[140:144], "little")
    most = 3 * limits.max_pixels + 2**20
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(data[start:], most)
    if not inflater.eof and len(dataset) >= most:
        raise FileTooLarge(
            f"The deflated DICOM file unpacks to more than {most / 2**20:,.0f} MB. "
            "Export the film at a lower resolution."
        )
    return dataset


def _check_syntax(dataset: Any) -> str:
    """The transfer syntax's UID; raises where this reader cannot decode it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (*_UNCOMPRESSED, _JPEG_BASELINE):
        name = syntax.name if syntax.name != syntax else "an unknown one"
        raise UnsupportedEncoding(
            f"The DICOM file's transfer syntax (0002,0010) is {printable(name)} "
            f"({printable(syntax)}); uncompressed and JPEG Baseline are read. {_EXPORT}"
        )
    return str(syntax)


def _check_encoding(dataset: Any, syntax: str) -> None:
    frames = _integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise _unsupported("NumberOfFrames", f"{frames:,}", "a single frame is read")
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if photometric not in (*_GREY, *_COLOUR):
        raise _unsupported(
            "PhotometricInterpretation",
            printable(photometric) or "missing",
            f"{', '.join(_GREY)} and RGB are read",
        )
    samples = _integer(dataset, "SamplesPerPixel", 1)
    if samples != (1 if photometric in _GREY else 3):
        raise _unsupported("SamplesPerPixel", samples, f"it does not fit {photometric}")
    if photometric == "YBR_FULL_422" and syntax != _JPEG_BASELINE:
        raise _unsupported("PhotometricInterpretation", photometric, "RGB is read, uncompressed")
    allocated, stored = _integer(dataset, "BitsAllocated"), _integer(dataset, "BitsStored")
    if not 8 <= stored <= (16 if samples == 1 else 8):
        raise _unsupported("BitsStored", stored, "8 to 16 bits (8 in colour) are read")
    if allocated not in (8, 16) or allocated < stored:
        raise _unsupported("BitsAllocated", allocated, f"it must be 8 or 16 for {stored} stored")
    high = _integer(dataset, "HighBit", stored - 1)
    if high != stored - 1:
        raise _unsupported("HighBit", high, f"it must be {stored - 1} for {stored} bits stored")


def _check_size(dataset: Any, syntax: str, limits: Limits) -> None:
    """Declared size against the limits, and against the bytes that are there."""
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise DamagedImage(
            f"The DICOM file declares {columns} x {rows} pixels, (0028,0011) Columns by "
            "(0028,0010) Rows. Export the film again."
        )
    limits.check_pixels(columns, rows)
    if syntax == _JPEG_BASELINE:
        _check_frame(dataset, rows, columns, limits)
        return
    samples = _integer(dataset, "SamplesPerPixel", 1)
    expected = rows * columns * samples * _integer(dataset, "BitsAllocated") // 8
    if (found := len(dataset.PixelData)) < expected:
        raise _damaged_pixels(
            f"holds {found:,} bytes; {columns} x {rows} pixels need {expected:,}. "
            "The file is cut off"
        )


def _check_frame(dataset: Any, rows: int, columns: int, limits: Limits) -> None:
    """The JPEG inside must be of the declared size, or it would be decoded at its own."""
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except Exception as error:
        raise _damaged_pixels("holds no complete JPEG picture") from error
    try:
        width, height = raster.check_header(frame, limits)
    except DamagedImage as error:
        raise _damaged_pixels("holds a damaged JPEG picture") from error
    if (width, height) != (columns, rows):
        raise _damaged_pixels(
            f"holds a JPEG of {width} x {height} pixels, but (0028,0011) Columns and (0028,0010) "
            f"Rows say {columns} x {rows}"
        )


def _radiograph(dataset: Any, sha256: str) -> Radiograph:
    from pydicom.pixels import pixel_array

    bits = int(dataset.BitsStored)
    try:
        stored: NDArray[Any] = pixel_array(dataset)
    except Exception as error:
        raise _damaged_pixels("cannot be decoded to the end") from error
    notes = contradictions(dataset)
    if stored.ndim == 3:  # pydicom has turned YBR into RGB
        grey, has_colour = colour.to_grey(np.ascontiguousarray(stored))
        pixels = np.divide(grey, np.float32(255), dtype=np.float32)
        value_range = (float(grey.min()), float(grey.max()))
        more: tuple[str, ...] = (colour.WARNING,) if has_colour else ()
    else:
        signed = _integer(dataset, "PixelRepresentation", 0) == 1
        pixels, value_range, more = grayscale.render(stored, dataset, bits, signed=signed)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            np.subtract(1, pixels, out=pixels)
    return Radiograph(
        pixels=np.ascontiguousarray(pixels),
        format="DICOM",
        bits=bits,
        value_range=value_range,
        sha256=sha256,
        warnings=(*notes, *more),
        facts=find_facts(dataset),
    )


def _integer(dataset: Any, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        value = default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise DamagedImage(
            f"The DICOM file's {keyword} {_READ[keyword]} is missing or not a number. "
            "Export the film again, or as a JPEG or PNG."
        ) from None


def _unsupported(keyword: str, value: object, accepted: str) -> UnsupportedEncoding:
    return UnsupportedEncoding(
        f"The DICOM file's {keyword} {_READ[keyword]} is {value}; {accepted}. {_EXPORT}"
    )


def _damaged_pixels(what: str) -> DamagedImage:
    return DamagedImage(
        f"The DICOM file's Pixel Data (7FE0,0010) {what}. Copy or export the film again."
    )
