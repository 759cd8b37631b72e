"""Transfer syntaxes that are read, and the decoder of each.

The compressed ones but JPEG Baseline go to imagecodecs (ADR 0032) by way of pydicom's plugin
interface, so that sign, bits, planes and colours are pydicom's arithmetic. Importing this module
gives pydicom the plugin; it is imported when the first DICOM arrives.
"""

from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder, pixel_array
from pydicom.pixels.decoders.base import DecodeRunner

from pneumonia.imaging.transfer_syntax import (
    BASELINE,
    EXTENDED,
    JPEG,
    JPEG2000,
    JPEG_LS,
    RETIRED,
    RLE,
)

_PLUGIN: Final = "imagecodecs"

DECODER_DEPENDENCIES: Final = dict.fromkeys(
    (JPEG | JPEG_LS | JPEG2000 | {RLE}) - RETIRED - {BASELINE}, ("imagecodecs",)
)
"""By transfer syntax; pydicom asks a plugin for it, and for the next two functions."""


def is_available(uid: str) -> bool:
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes | bytearray:
    """One frame's bytes: little endian, a codestream's samples by pixel, RLE's by plane."""
    syntax = str(runner.transfer_syntax)
    if syntax == RLE:
        return _decode_rle(source, runner)
    picture: NDArray[Any]
    if syntax in JPEG_LS:
        picture = imagecodecs.jpegls_decode(source)
    elif syntax in JPEG2000:
        picture = imagecodecs.jpeg2k_decode(source)
        if runner.samples_per_pixel > 1:  # OpenJPEG undoes the codestream's own colour transform
            runner.set_option("photometric_interpretation", "RGB")
    else:
        # Named twice, a colour space is left as it is: the data set says what it is, not the JPEG.
        space = "RGB" if runner.samples_per_pixel > 1 else "GRAYSCALE"
        picture = imagecodecs.jpeg8_decode(source, colorspace=space, outcolorspace=space)
        if syntax == EXTENDED and not runner.pixel_representation:
            # Lossy, it may overshoot what is said to be stored.
            np.minimum(picture, 2**runner.bits_stored - 1, out=picture)
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * picture.itemsize)
    return picture.tobytes()


def _decode_rle(source: bytes, runner: DecodeRunner) -> bytearray:
    """PS3.5 annex G, into a buffer of the declared size and no further."""
    samples, itemsize = runner.samples_per_pixel, runner.bits_allocated // 8
    frame = bytearray(runner.rows * runner.columns * samples * itemsize)
    decoded = imagecodecs.dicomrle_decode(source, f"<u{itemsize}", out=frame)
    if len(decoded) != len(frame):
        raise ValueError(f"RLE gives {len(decoded)} bytes of {len(frame)}")
    runner.set_option("planar_configuration", 1)
    return frame


def stored_values(dataset: Any) -> NDArray[Any]:
    """The first frame as it is stored: integers (height, width), or RGB (height, width, 3).

    The caller has checked sizes; whatever a decoder raises is raised.
    """
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax in RETIRED:  # a JPEG says itself how it is coded
        dataset.file_meta.TransferSyntaxUID = EXTENDED
    plugin = _PLUGIN if syntax in DECODER_DEPENDENCIES or syntax in RETIRED else ""
    stored: NDArray[Any] = pixel_array(
        dataset, index=0, decoding_plugin="pillow" if syntax == BASELINE else plugin
    )
    return stored


for _uid in DECODER_DEPENDENCIES:
    get_decoder(_uid).add_plugin(_PLUGIN, (__name__, "decode_frame"))
