"""JPEG and PNG to Radiograph: the only place that opens pictures."""

import io
import struct
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from pneumonia.errors import DamagedImage, ImageError, UnsupportedEncoding
from pneumonia.imaging import colour
from pneumonia.imaging.limits import Limits
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.imaging.raster_scan import MAX_JPEG_SCANS, check_parts

# Pillow's own bound only warns, or raises before the size is known to us. Ours is checked in
# `_open`, between reading the header and allocating the pixels, for every picture there is.
Image.MAX_IMAGE_PIXELS = None

CAMERA_WARNING = (
    "The file says that a camera took this picture: a photograph of a film or of a screen has "
    "reflections and other grey levels, and what is read from it is worth less. Upload the film as "
    "it was exported."
)
# A broken EXIF block does not make the picture unreadable.
_BROKEN_EXIF = (OSError, ValueError, TypeError, SyntaxError, KeyError, struct.error)


def read(data: bytes, limits: Limits, sha256: str) -> Radiograph:
    """Decode a JPEG or PNG.

    Raises
    ------
    TooManyPixels
        From the header, before pixels are allocated.
    UnsupportedEncoding
        CMYK, animation, too many JPEG scans, segments or PNG chunks.
    DamagedImage
        For anything Pillow cannot decode to the end.
    """
    try:
        with _open(data, limits) as picture:
            picture.load()
            name = "PNG" if picture.format == "PNG" else "JPEG"
            warnings = (*_frame_warnings(picture), *_camera_warnings(picture))
            _turn_upright(picture)
            stored, bits, is_coloured = _grey(picture)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises almost anything on hostile bytes
        raise _damaged(data) from error
    if is_coloured:
        warnings = (*warnings, colour.WARNING)
    return Radiograph(
        pixels=np.divide(stored, np.float32(2**bits - 1), dtype=np.float32, order="C"),
        format=name,
        bits=bits,
        value_range=(float(stored.min()), float(stored.max())),
        sha256=sha256,
        warnings=warnings,
    )


def read_stored(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG this application wrote: uint8 (height, width) or (height, width, 3)."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.array(picture, dtype=np.uint8)
    except Exception as error:
        raise _damaged(data) from error


def check_header(data: bytes, limits: Limits) -> tuple[int, int]:
    """Width and height from a JPEG's or PNG's header, checked; no pixel is decoded.

    Raises
    ------
    TooManyPixels, UnsupportedEncoding, DamagedImage
    """
    try:
        with _open(data, limits) as picture:
            return picture.size
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _damaged(data) from error


def _open(data: bytes, limits: Limits) -> Image.Image:
    """Read the header only and refuse what must not be decoded."""
    check_parts(data)
    picture = Image.open(io.BytesIO(data), formats=["JPEG", "PNG"])
    limits.check_pixels(*picture.size)
    if picture.mode == "CMYK":
        raise UnsupportedEncoding(
            "This JPEG is in CMYK, the colours of print. Save it again as grey or RGB."
        )
    if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
        raise UnsupportedEncoding(
            "This is an animated PNG. Save the one frame that is the film as a PNG or JPEG."
        )
    if picture.format != "PNG" and (scans := data.count(b"\xff\xda")) > MAX_JPEG_SCANS:
        raise UnsupportedEncoding(
            f"This JPEG is coded in {scans} scans; at most {MAX_JPEG_SCANS} are read. "
            "Save it again as a baseline JPEG."
        )
    return picture


def _frame_warnings(picture: Image.Image) -> tuple[str, ...]:
    # Phones write JPEGs with a depth map or a preview behind the picture (MPO).
    frames = getattr(picture, "n_frames", 1)
    return () if frames == 1 else (f"The file holds {frames} pictures; the first was read.",)


def _camera_warnings(picture: Image.Image) -> tuple[str, ...]:
    """A camera writes its exposure time, aperture or focal length; a film's export has none."""
    taken: set[int] = set()
    with suppress(*_BROKEN_EXIF):
        taken = {ExifTags.Base.ExposureTime, ExifTags.Base.FNumber, ExifTags.Base.FocalLength}
        taken &= set(picture.getexif().get_ifd(ExifTags.IFD.Exif))
    return (CAMERA_WARNING,) if taken else ()


def _grey(picture: Image.Image) -> tuple[NDArray[np.uint8 | np.uint16], int, bool]:
    """Stored grey values (height, width), the bits they use, and whether there was colour."""
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.uint16)
        if (clear := picture.info.get("transparency")) is not None:
            deep[deep == clear] = 0
        return deep, _bits(int(deep.max())), False
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8), 1, False
    if picture.mode == "L" and "transparency" not in picture.info:
        return np.asarray(picture), 8, False
    flat = _over_black(picture)
    if flat.mode == "L":
        return np.asarray(flat), 8, False
    grey, has_colour = colour.to_grey(np.asarray(flat))
    return grey, 8, has_colour


def _bits(largest: int) -> int:
    """The smallest usual depth that holds the value: 12-bit detectors are stored in 16 bits."""
    return next(bits for bits in (8, 10, 12, 14, 16) if largest < 2**bits)


def _over_black(picture: Image.Image) -> Image.Image:
    """Palette resolved and transparency composited over black: mode L or RGB."""
    if "transparency" in picture.info:
        picture = picture.convert("LA" if picture.mode == "L" else "RGBA")
    if picture.mode in ("LA", "RGBA"):
        opaque = picture.convert("L" if picture.mode == "LA" else "RGB")
        black = Image.new(opaque.mode, opaque.size)
        black.paste(opaque, mask=picture.getchannel("A"))
        return black
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _turn_upright(picture: Image.Image) -> None:
    """Undo the camera's rotation (EXIF 2.32, tag 0112), in place."""
    with suppress(*_BROKEN_EXIF):
        ImageOps.exif_transpose(picture, in_place=True)


def _damaged(data: bytes) -> DamagedImage:
    name = "PNG" if data.startswith(b"\x89PNG") else "JPEG"
    return DamagedImage(
        f"The {name} file ({len(data):,} bytes) cannot be decoded to the end: it is cut off or "
        "damaged. Copy or export the film again."
    )
