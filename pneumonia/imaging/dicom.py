"""DICOM to Radiograph: the only place that reads DICOM.

Only the attributes in `ATTRIBUTES` are parsed at all, so nothing that identifies a patient is ever
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
from pneumonia.imaging import colour, grayscale
from pneumonia.imaging.dicom_checks import (
    ATTRIBUTES,
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    EXPORT,
    IMPLICIT,
    UNCOMPRESSED,
    check_encoding,
    check_size,
    check_syntax,
    damaged_pixels,
    integer,
)
from pneumonia.imaging.dicom_facts import contradictions, find_facts
from pneumonia.imaging.dicom_scan import PIXEL_DATA, TRANSFER_SYNTAX, Encoding, scan
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph

_META: Final = range(0x00020000, 0x00030000)
_TAGS: Final = frozenset(
    int(tag[1:5] + tag[6:10], 16) for name, tag in ATTRIBUTES.items() if name != "TransferSyntaxUID"
)


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
                dataset = _parse(_inflate(self.data, limits), 0, DEFLATED)
            if "PixelData" not in dataset:
                raise _without_pixels(self.data)
            syntax = check_syntax(dataset)
            check_encoding(dataset, syntax)
            check_size(dataset, syntax, limits)
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
        if syntax == DEFLATED:
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
    """pydicom's data set of the elements in ``ATTRIBUTES``, and no others."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    encoding = Encoding(syntax == IMPLICIT, syntax != BIG_ENDIAN)
    if not syntax:
        encoding = Encoding.guess(data, at)
        syntax = UNCOMPRESSED[0 if encoding.implicit else 1 if encoding.little else 2]
    found = scan(data, at, encoding, _TAGS)
    pixels = found.pop(PIXEL_DATA, None)
    header = b"".join(data[element.begin : element.end] for element in found.values())
    dataset = read_dataset(io.BytesIO(header), encoding.implicit, encoding.little)
    if pixels is not None:
        dataset.add_new(PIXEL_DATA, pixels.vr.decode() or "OW", data[pixels.value : pixels.end])
        dataset["PixelData"].is_undefined_length = pixels.encapsulated
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT if syntax == DEFLATED else syntax
    return dataset


def _without_pixels(data: bytes) -> ImageError:
    # An encapsulated image whose end is missing is left out: the tag is in the bytes, at least.
    if b"\xe0\x7f\x10\x00" in data or b"\x7f\xe0\x00\x10" in data:
        return damaged_pixels("has no end: the file is cut off or damaged")
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
            f"{DEFLATED} (0002,0010), without "
            f"(0002,0000) File Meta Information Group Length. {EXPORT}"
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


def _radiograph(dataset: Any, sha256: str) -> Radiograph:
    from pydicom.pixels import pixel_array

    bits = int(dataset.BitsStored)
    try:
        stored: NDArray[Any] = pixel_array(dataset)
    except Exception as error:
        raise damaged_pixels("cannot be decoded to the end") from error
    notes = contradictions(dataset)
    if stored.ndim == 3:  # pydicom has turned YBR into RGB
        grey, has_colour = colour.to_grey(np.ascontiguousarray(stored))
        pixels = np.divide(grey, np.float32(255), dtype=np.float32)
        value_range = (float(grey.min()), float(grey.max()))
        more: tuple[str, ...] = (colour.WARNING,) if has_colour else ()
    else:
        signed = integer(dataset, "PixelRepresentation", 0) == 1
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
