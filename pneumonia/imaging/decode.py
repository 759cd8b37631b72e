"""Bytes to Radiograph: the content is sniffed, the name of a file is never asked for."""

import hashlib
from dataclasses import dataclass, replace

from pneumonia.errors import EmptyFile, UnsupportedFormat
from pneumonia.imaging import dicom, raster
from pneumonia.imaging.kind import identify
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph

__all__ = ["Limits", "Radiograph", "Upload", "decode", "open_upload"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose header has been read, and whose pixels have not.

    Attributes
    ----------
    pixels
        How many pixels decoding will make, from the header alone, so that memory can be found
        before it is needed; the most that the limits allow where the header does not tell.
    """

    data: bytes
    limits: Limits
    pixels: int
    header: dicom.Header | None

    def check(self) -> None:
        """All that can be said of a DICOM file before it is decoded. Raises as :meth:`decode`."""
        if self.header is not None:
            self.header.check(self.limits)

    def decode(self) -> Radiograph:
        """The film: float32 grey in [0, 1], upright, air dark and bone bright.

        Raises
        ------
        ImageError
            As :func:`decode`; also for a file that holds more pixels than its header said.
        """
        sha256 = hashlib.sha256(self.data).hexdigest()
        if self.header is not None:
            return self.header.decode(self.limits, sha256)
        return raster.read(self.data, replace(self.limits, max_pixels=self.pixels), sha256)


def open_upload(data: bytes, limits: Limits = Limits()) -> Upload:  # noqa: B008 - frozen
    """Read the header of one film. Raises ImageError for what shows already, as :func:`decode`."""
    if _admit(data, limits) == "DICOM":
        header = dicom.read_header(data, limits)
        return Upload(data, limits, header.pixels, header)
    width, height = raster.check_header(data, limits)
    return Upload(data, limits, width * height, None)


def decode(data: bytes, limits: Limits = Limits()) -> Radiograph:  # noqa: B008 - frozen
    """Decode one film.

    Parameters
    ----------
    data
        The whole file: JPEG, PNG or DICOM.
    limits
        Bounds on bytes and pixels; both are checked before any pixel is allocated.

    Returns
    -------
    Radiograph
        float32 grey in [0, 1], upright, air dark and bone bright.

    Raises
    ------
    EmptyFile, FileTooLarge, TooManyPixels, UnsupportedFormat, UnsupportedEncoding, DamagedImage, \
NoPixelData
        All of them ``ImageError``; nothing else but MemoryError escapes, whatever the bytes.
    """
    return open_upload(data, limits).decode()


def _admit(data: bytes, limits: Limits) -> str:
    """Refuse what is not worth opening; else ``"JPEG"``, ``"PNG"`` or ``"DICOM"``."""
    if not data:
        raise EmptyFile("The file is empty (0 bytes). Choose the film again, or export it again.")
    limits.check_bytes(len(data))
    kind = identify(data)
    if kind not in ("JPEG", "PNG", "DICOM"):
        raise UnsupportedFormat(
            f"This is {kind}. Chest X-rays are accepted as JPEG, PNG or DICOM. "
            "Export the film in one of these formats and send that file."
        )
    return kind
