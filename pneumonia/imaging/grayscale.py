"""DICOM's grayscale pipeline: modality LUT, VOI LUT, photometric sense (PS3.3 C.11.1, C.11.2).

Everything here works on an open data set that `pneumonia.imaging.dicom` hands in; the arithmetic
is float32, which holds every 16-bit value exactly.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DamagedImage, UnsupportedEncoding
from pneumonia.imaging.bands import bands
from pneumonia.imaging.lookup_table import Floats, LookupTable

_LARGEST: Final = 1e6  # what float32 can still tell from its neighbours by less than one unit

_WINDOW_WARNING: Final = (
    "The DICOM file's window (0028,1050), (0028,1051) cannot be used; "
    "the whole grey range is shown."
)

_TABLES: Final = {
    "ModalityLUTSequence": "(0028,3000) Modality LUT Sequence",
    "VOILUTSequence": "(0028,3010) VOI LUT Sequence",
}


def render(
    stored: NDArray[Any], dataset: Any, bits: int, *, signed: bool
) -> tuple[Floats, tuple[float, float], tuple[str, ...], NDArray[np.uint16] | None]:
    """Carry stored values to display values.

    Parameters
    ----------
    stored
        Integers (height, width) as stored.
    dataset
        The pydicom data set with the LUT, rescale and window attributes, if any.
    bits, signed
        (0028,0101) Bits Stored and (0028,0103) Pixel Representation.

    Returns
    -------
    pixels
        float32 (height, width) in [0, 1], in the sense of the file's photometric interpretation.
    value_range
        Smallest and largest value after the modality LUT.
    warnings
        Sentences for the reader.
    levels
        As :attr:`Radiograph.levels`, in the same sense as the pixels.
    """
    values, low, high = _modality(stored, dataset, bits, signed=signed)
    value_range = (float(values.min()), float(values.max()))
    if dataset.get("VOILUTSequence"):
        table = _read_table(dataset, "VOILUTSequence", signed=signed)
        levels = _levels(values, low, high, bits)
        return table.look_up(values) / np.float32(table.top), value_range, (), levels
    window = _window(dataset)
    if window is not None:
        levels = _levels(values, low, high, bits)
        shown = _apply_window(values, *window, dataset.get("VOILUTFunction"))
        return shown, value_range, (), levels
    values -= np.float32(low)
    values /= np.float32(high - low)
    np.clip(values, 0, 1, out=values)  # rounding
    unusable = dataset.get("WindowCenter") is not None
    return values, value_range, (_WINDOW_WARNING,) if unusable else (), None


def _levels(values: Floats, low: float, high: float, bits: int) -> NDArray[np.uint16]:
    """Values from low to high as whole numbers from 0 to the largest of their bit depth."""
    levels, top = np.empty(values.shape, np.uint16), 2**bits - 1
    for rows in bands(*values.shape):
        scaled = (values[rows] - np.float32(low)) * np.float32(top / (high - low))
        levels[rows] = np.clip(np.rint(scaled, out=scaled), 0, top, out=scaled)
    return levels


def _modality(
    stored: NDArray[Any], dataset: Any, bits: int, *, signed: bool
) -> tuple[Floats, float, float]:
    """Values after the modality LUT, and the smallest and largest they could have been."""
    if dataset.get("ModalityLUTSequence"):
        table = _read_table(dataset, "ModalityLUTSequence", signed=signed)
        return table.look_up(stored), 0.0, float(table.top)
    slope, intercept = (
        default if (value := dataset.get(key)) is None else float(value)
        for key, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not 1 / _LARGEST <= abs(slope) <= _LARGEST or not abs(intercept) <= _LARGEST:
        raise DamagedImage(
            "The DICOM file's (0028,1053) Rescale Slope or (0028,1052) Rescale Intercept is out "
            "of range. Export the film again, or as a JPEG or PNG."
        )
    values = stored.astype(np.float32)
    if slope != 1:
        values *= np.float32(slope)
    if intercept:
        values += np.float32(intercept)
    least = -(2 ** (bits - 1)) if signed else 0
    ends = (least * slope + intercept, (least + 2**bits - 1) * slope + intercept)
    return values, min(ends), max(ends)


def _window(dataset: Any) -> tuple[float, float] | None:
    """Centre and width of the first window; None where there is none that can be used."""
    centre, width = (_first(dataset.get(key)) for key in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        return None
    exact = dataset.get("VOILUTFunction") in ("LINEAR_EXACT", "SIGMOID")
    # C.11.2.1.2: at least 1 for LINEAR, greater than 0 for the others.
    least = 1 / _LARGEST if exact else 1
    return (centre, width) if abs(centre) <= _LARGEST and least <= width <= _LARGEST else None


def _first(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None


def _apply_window(values: Floats, centre: float, width: float, function: Any) -> Floats:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, with an output range of 0 to 1."""
    match function or "LINEAR":
        case "LINEAR" if width > 1:
            shown = (values - np.float32(centre - 0.5)) / np.float32(width - 1) + np.float32(0.5)
        case "LINEAR":
            shown = (values > centre - 0.5).astype(np.float32)
        case "LINEAR_EXACT":
            shown = (values - np.float32(centre)) / np.float32(width) + np.float32(0.5)
        case "SIGMOID":
            steepness = np.clip((values - np.float32(centre)) * np.float32(-4 / width), -80, 80)
            shown = 1 / (1 + np.exp(steepness))
        case _:
            raise UnsupportedEncoding(
                "The DICOM file's (0028,1056) VOI LUT Function is not LINEAR, LINEAR_EXACT or "
                "SIGMOID. Export the film as a JPEG or PNG."
            )
    clipped: Floats = np.clip(shown, 0, 1, out=shown)
    return clipped


def _read_table(dataset: Any, keyword: str, *, signed: bool) -> LookupTable:
    """The first table of a LUT sequence."""
    item = dataset[keyword].value[0]
    little = bool(dataset.original_encoding[1])
    try:
        return LookupTable.read(
            item.get("LUTDescriptor"), item.get("LUTData"), signed=signed, little=little
        )
    except ValueError:
        raise _bad_table(keyword) from None


def _bad_table(keyword: str) -> DamagedImage:
    name = _TABLES[keyword]
    return DamagedImage(
        f"The DICOM file's {name} cannot be read: (0028,3002) LUT Descriptor and (0028,3006) LUT "
        "Data do not fit together. Export the film again, or as a JPEG or PNG."
    )
