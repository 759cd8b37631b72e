"""Bytes to Radiograph: the content is sniffed, the name of a file is never asked for."""

import hashlib

from pneumonia.errors import EmptyFile, UnsupportedFormat
from pneumonia.imaging import dicom, raster
from pneumonia.imaging.kind import identify
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph

__all__ = ["Limits", "Radiograph", "decode"]


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
        All of them ``ImageError``; nothing else escapes, whatever the bytes.
    """
    kind = _admit(data, limits)
    sha256 = hashlib.sha256(data).hexdigest()
    if kind == "DICOM":
        return dicom.read(data, limits, sha256)
    return raster.read(data, limits, sha256)


def measure(data: bytes, limits: Limits = Limits()) -> int:  # noqa: B008 - frozen
    """How many pixels `decode` will make of the file, from its header alone.

    Cheap, so that memory can be found before it is needed. Where the header does not tell, it is
    the most that the limits allow. Decode with this as ``max_pixels`` to hold the file to it.

    Raises
    ------
    ImageError
        As `decode`, for what shows already.
    """
    if _admit(data, limits) == "DICOM":
        return dicom.measure(data, limits)
    width, height = raster.check_header(data, limits)
    return width * height


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
