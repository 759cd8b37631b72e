"""DICOM to Radiograph: the only place that reads DICOM.

Only the attributes in `ATTRIBUTES` are parsed at all, so nothing that identifies a patient is ever
held. pydicom is imported when the first DICOM arrives: training does without it.
"""

import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DamagedImage, FileTooLarge, ImageError, UnsupportedEncoding
from pneumonia.imaging import colour, grayscale, palette
from pneumonia.imaging.dicom_checks import (
    ATTRIBUTES,
    PALETTE,
    STUDY,
    check_encoding,
    check_pixels,
    check_size,
    check_syntax,
    damaged_pixels,
    integer,
)
from pneumonia.imaging.dicom_facts import doubts, find_facts, find_spacing, is_mirrored
from pneumonia.imaging.dicom_scan import PIXEL_DATA, SEQUENCES, TRANSFER_SYNTAX, Encoding, scan
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.imaging.transfer_syntax import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    UNCOMPRESSED,
)

MAX_HEADER_BYTES: Final = 16 * 2**20
"""Of a deflated file before its image; a film has some kilobytes, and an overlay some megabytes."""

_MAX_TEXT_BYTES: Final = 4096  # a window takes 16, and a film has some of them
_MAX_TABLE_BYTES: Final = 2**17  # 65,536 words
_MAX_SEQUENCE_BYTES: Final = 2**20
_META: Final = dict.fromkeys(range(0x00020000, 0x00020200), _MAX_SEQUENCE_BYTES)
_FIRST_OF_DATASET: Final = 0x00030000


def _value_bounds() -> dict[int, int]:
    """The tags of ``ATTRIBUTES``, and how many bytes each one's value may have."""
    tags = {name: int(tag[1:5] + tag[6:10], 16) for name, tag in ATTRIBUTES.items()}
    bounds = dict.fromkeys(tags.values(), _MAX_TEXT_BYTES)
    bounds |= {tag: _MAX_TABLE_BYTES for name, tag in tags.items() if name.endswith("TableData")}
    bounds |= dict.fromkeys(SEQUENCES, _MAX_SEQUENCE_BYTES)
    # Pixels of floating point are refused, but not for their length.
    bounds |= {tag: 2**32 for name, tag in tags.items() if name.endswith("FloatPixelData")}
    del bounds[TRANSFER_SYNTAX]
    return bounds


_BOUNDS: Final = _value_bounds()


@dataclass(frozen=True, slots=True)
class Header:
    """A DICOM file whose header has been read, once; its pixels have not.

    Attributes
    ----------
    pixels
        Rows times Columns, and three times that in colour; the most allowed where the header does
        not tell.
    dataset
        pydicom's data set of the few elements that are read.
    deflated
        The file's deflated part, which is unpacked to the end when it is decoded.
    """

    data: bytes
    pixels: int
    dataset: Any
    deflated: memoryview | None = None

    def decode(self, limits: Limits, sha256: str) -> Radiograph:
        """Decode the film.

        Raises
        ------
        TooManyPixels
            From Rows and Columns, and from the compressed picture's own header, before pixels are
            allocated.
        FileTooLarge
            For a deflated file that unpacks to more than its picture needs.
        NoPixelData, UnsupportedEncoding, DamagedImage
            Each sentence names the attribute and its tag.
        """
        dataset, notes = self._open(limits)
        with _blaming_the_file(self.data):
            return _radiograph(dataset, notes, sha256)

    def check(self, limits: Limits) -> None:
        """All that can be said without decoding a picture. Raises as :meth:`decode`."""
        self._open(limits)

    def stored_values(self, limits: Limits) -> NDArray[Any]:
        """The first frame as stored, before any table or window. Raises as :meth:`decode`."""
        dataset, _ = self._open(limits)
        return _stored_values(dataset)

    def _open(self, limits: Limits) -> tuple[Any, tuple[str, ...]]:
        """The data set, checked, of one frame; and what there is to say of it."""
        with _blaming_the_file(self.data):
            dataset = self.dataset
            if self.deflated is not None:
                most = MAX_HEADER_BYTES + 2 * self.pixels
                unpacked, more = _inflate(self.deflated, most)
                if more:
                    raise _unpacks_to(most, f"a film of {self.pixels:,} values ends")
                dataset = _parse(unpacked, 0, DEFLATED)
            check_pixels(dataset, self.data)
            syntax = check_syntax(dataset)
            check_encoding(dataset, syntax)
            notes = doubts(dataset)
            check_size(dataset, syntax, limits)
            return dataset, notes


def read_header(data: bytes, limits: Limits) -> Header:
    """Read the header of a DICOM file, within bounds on its elements.

    Raises
    ------
    TooManyPixels
        From Rows and Columns.
    UnsupportedEncoding
        Without pydicom or imagecodecs.
    DamagedImage
        For more elements, deeper sequences or larger values than a film has.
    """
    _require_packages()
    deflated = None
    with _blaming_the_file(data):
        at, syntax = _transfer_syntax(data)
        if syntax == DEFLATED:
            deflated = memoryview(data)[at:]
            unpacked, more = _inflate(deflated, MAX_HEADER_BYTES)
            dataset = _parse(unpacked, 0, syntax)
            if more and "PixelData" not in dataset:
                raise _unpacks_to(MAX_HEADER_BYTES, "its image begins")
        else:
            dataset = _parse(data, at, syntax)
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        samples = int(dataset.get("SamplesPerPixel") or 1)
    except Exception:  # decoding will say what is wrong
        rows, columns, samples, deflated = 0, 0, 1, None
    limits.check_pixels(columns, rows, samples)
    pixels = rows * columns * samples
    if min(rows, columns, samples) < 1:
        pixels = limits.max_pixels
    return Header(data, pixels, dataset, deflated)


def read_elements(data: bytes, bounds: Mapping[int, int]) -> Any:
    """pydicom's data set of a file's elements with the given tags, and no others.

    Parameters
    ----------
    bounds
        Tags, and how many bytes each one's value may have.

    Raises
    ------
    UnsupportedEncoding, DamagedImage
        As :func:`read_header`.
    """
    _require_packages()
    with _blaming_the_file(data):
        at, syntax = _transfer_syntax(data)
        if syntax == DEFLATED:
            data, at = _inflate(memoryview(data)[at:], MAX_HEADER_BYTES)[0], 0
        return _parse(data, at, syntax, bounds)


def read_study(data: bytes) -> Any:
    """pydicom's data set of a film's patient, study and instance, without its picture.

    It identifies the patient: for a result that goes back into the study, and for nothing else.
    Reading a film does not call it. Raises as :func:`read_elements`.
    """
    return read_elements(data, dict.fromkeys(STUDY, _MAX_TEXT_BYTES))


def read_accession_number(data: bytes) -> str:
    """The Accession Number (0008,0050), on one line; empty where there is none.

    It points to a person: for operators who want it as their films' reference, and nothing else.
    """
    try:
        value = read_elements(data, {0x00080050: 64}).get("AccessionNumber")
        return "".join(c for c in str(value or "") if c.isprintable()).strip()
    except Exception:  # such as a character set nobody knows: the film is read all the same
        return ""


def extract_study(data: bytes, turned: int = 0) -> bytes:
    """What :func:`read_study` reads, as a DICOM data set of its own; raises as that.

    Parameters
    ----------
    turned
        By how many degrees clockwise the film was turned before it was read; kept as its Image
        Rotation (0070,0042), so that a result can find its way back to the pixels stored.
    """
    study = read_study(data)
    with _blaming_the_file(data):
        kept, out = type(study)(), io.BytesIO()
        kept.update({element.tag: element for element in study})  # whatever the file's byte order
        kept.ImageRotation = turned
        kept.save_as(out, implicit_vr=False, little_endian=True)
        return out.getvalue()


def read_result(data: bytes) -> Any:
    """pydicom's data set of a file that this program has made itself, to be sent."""
    import pydicom

    return pydicom.dcmread(io.BytesIO(data))


@contextmanager
def _blaming_the_file(data: bytes) -> Iterator[None]:
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises almost anything on hostile bytes
        raise DamagedImage(
            f"The DICOM file ({len(data):,} bytes) cannot be decoded: it is cut off or damaged. "
            "Export the film again, or as a JPEG or PNG."
        ) from error


def _require_packages() -> None:
    """Raises UnsupportedEncoding where one is not installed: training alone does not ask for it."""
    try:
        import imagecodecs  # noqa: F401
        import pydicom  # noqa: F401
    except ImportError as error:
        raise UnsupportedEncoding(
            f"Reading DICOM needs the Python package {error.name or 'pydicom'}, which is not "
            "installed here. Install it, or export the film as PNG or JPEG."
        ) from None


def _transfer_syntax(data: bytes) -> tuple[int, str]:
    """Where the data set begins, and the UID in (0002,0010); empty where the file has none."""
    at = 132 if data[128:132] == b"DICM" else 0
    if data[at : at + 2] != b"\x02\0":  # a bare data set, without file meta information
        return at, ""
    meta = scan(data, at, Encoding(implicit=False), _META, last=_FIRST_OF_DATASET)
    end = max((element.end for element in meta.values()), default=at)
    uid = meta.get(TRANSFER_SYNTAX)
    name = data[uid.value : uid.end] if uid else b""
    return end, name.decode("ascii", "replace").strip("\0 ")


def _parse(data: bytes, at: int, syntax: str, bounds: Mapping[int, int] = _BOUNDS) -> Any:
    """pydicom's data set of the elements in ``bounds``, and no others."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    encoding = Encoding(syntax == IMPLICIT, syntax != BIG_ENDIAN)
    if not syntax:
        encoding = Encoding.guess(data, at)
        syntax = UNCOMPRESSED[0 if encoding.implicit else 1 if encoding.little else 2]
    found = scan(data, at, encoding, bounds)
    pixels = found.pop(PIXEL_DATA, None)
    header = b"".join(data[element.begin : element.end] for element in found.values())
    dataset = read_dataset(io.BytesIO(header), encoding.implicit, encoding.little)
    if pixels is not None:
        vr = "OB" if pixels.vr == b"OB" or pixels.encapsulated else "OW"
        dataset.add_new(PIXEL_DATA, vr, data[pixels.value : pixels.end])
        dataset["PixelData"].is_undefined_length = pixels.encapsulated
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT if syntax == DEFLATED else syntax
    return dataset


def _inflate(deflated: memoryview, most: int) -> tuple[bytes, bool]:
    """At most so many bytes of a deflated data set (PS3.5 A.5), and whether there are more."""
    # pydicom would unpack without a bound: a 50 MB file can hold 50 GB.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(deflated, most)
    return dataset, len(dataset) >= most and not inflater.eof


def _unpacks_to(most: int, where: str) -> FileTooLarge:
    return FileTooLarge(
        f"The deflated DICOM file unpacks to more than {most / 2**20:,.0f} MB before {where}. "
        "Export the film again, not deflated."
    )


def _stored_values(dataset: Any) -> NDArray[Any]:
    from pneumonia.imaging import dicom_codecs

    try:
        return dicom_codecs.stored_values(dataset)
    except MemoryError:
        raise
    except Exception as error:
        raise damaged_pixels("cannot be decoded to the end") from error


def _radiograph(dataset: Any, notes: tuple[str, ...], sha256: str) -> Radiograph:
    bits = int(dataset.BitsStored)
    levels: NDArray[np.uint16] | None = None
    signed = integer(dataset, "PixelRepresentation", 0) == 1
    stored = _stored_values(dataset)
    if stored.ndim == 3:  # pydicom has turned YBR into RGB
        grey, has_colour = colour.to_grey(np.ascontiguousarray(stored))
        pixels = np.divide(grey, np.float32(255), dtype=np.float32)
        value_range = (float(grey.min()), float(grey.max()))
    elif dataset.PhotometricInterpretation == PALETTE:
        pixels, value_range, has_colour = palette.to_grey(stored, dataset, signed=signed)
    else:
        pixels, value_range, more, levels = grayscale.render(stored, dataset, bits, signed=signed)
        notes, has_colour = (*notes, *more), False
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            np.subtract(1, pixels, out=pixels)
            if levels is not None:
                np.subtract(2**bits - 1, levels, out=levels, dtype=np.uint16)
    if is_mirrored(dataset):
        pixels = pixels[:, ::-1]
        levels = None if levels is None else np.ascontiguousarray(levels[:, ::-1])
    return Radiograph(
        pixels=np.ascontiguousarray(pixels),
        format="DICOM",
        bits=bits,
        value_range=value_range,
        sha256=sha256,
        warnings=(*notes, colour.WARNING) if has_colour else notes,
        facts=find_facts(dataset),
        levels=levels,
        spacing_mm=find_spacing(dataset),
    )
