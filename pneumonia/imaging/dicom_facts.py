"""What a DICOM file says of its picture, and where it contradicts itself."""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from pneumonia.imaging.radiograph import Facts

_CHECK: Final = "Check that air is dark on the film shown."
_SQUARE: Final = 1.01  # how far a pixel's sides may differ
_STRETCHED: Final = (
    "The film's pixels are not square, as the DICOM file says: it was read, and is shown, "
    "stretched."
)
_BURNED_IN: Final = (
    "The DICOM file says that text is burned into the picture (0028,0301): it may name the "
    "patient, and is kept with the picture."
)
_MIRRORED: Final = (
    "The DICOM file says that the film is stored mirrored, Patient Orientation (0020,0020) R\\F: "
    "it was turned round, and is read and shown with the patient's right on the left."
)
_PER_YEAR: Final = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}


def find_facts(dataset: Any) -> Facts:
    """Age, modality, body part, view and laterality; nothing that identifies a patient."""
    return Facts(
        _age_years(_code(dataset, "PatientAge")),
        _code(dataset, "Modality"),
        _code(dataset, "BodyPartExamined"),
        _code(dataset, "ViewPosition"),
        _code(dataset, "ImageLaterality") or _code(dataset, "Laterality"),
    )


def is_mirrored(dataset: Any) -> bool:
    """Whether the rows run to the patient's right and the columns to the feet (0020,0020).

    A frontal film is hung the other way round: the patient's right on the left.
    """
    directions = dataset.get("PatientOrientation") or ()
    if isinstance(directions, str) or len(directions) != 2:
        return False
    across, down = (str(direction).upper() for direction in directions)
    return across.startswith("R") and down.startswith("F")


def doubts(dataset: Any) -> tuple[str, ...]:
    """Sentences for the reader of the result: what the file says that bears on its picture."""
    return (
        *_contradictions(dataset),
        *_first_of_several(dataset),
        *_stretched(dataset),
        *_burned_in(dataset),
        *((_MIRRORED,) if is_mirrored(dataset) else ()),
    )


def _contradictions(dataset: Any) -> tuple[str, ...]:
    photometric = _code(dataset, "PhotometricInterpretation")
    shape = _code(dataset, "PresentationLUTShape")
    # PS3.3 C.8.11.3.1: INVERSE goes with MONOCHROME1, where it states the inversion a second
    # time, and IDENTITY with MONOCHROME2. The photometric interpretation decides.
    if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        said = f"(0028,0004) is {photometric} and (2050,0020) is {shape}"
        return (f"The DICOM file contradicts itself: {said}. {_CHECK}",)
    return ()


def _first_of_several(dataset: Any) -> tuple[str, ...]:
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames == 1:
        return ()
    return (f"The DICOM file holds {frames:,} pictures (0028,0008); the first was read.",)


def find_spacing(dataset: Any) -> tuple[float, float] | None:
    """Height and width of a pixel in millimetres; None where the file does not say.

    Calibrated for the patient where it is (Pixel Spacing), else on the detector (Imager Pixel
    Spacing), where what lies nearer to the tube is larger than it is (PS3.3 10.7.1.3).
    """
    return next(_sides(dataset, ("PixelSpacing", "ImagerPixelSpacing")), None)


def _sides(dataset: Any, keywords: tuple[str, ...]) -> Iterator[tuple[float, float]]:
    """Height and width of a pixel, as each attribute says that says so."""
    for keyword in keywords:
        try:
            down, across = (float(side) for side in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if min(down, across) > 0 and math.isfinite(max(down, across)):
            yield down, across


def _stretched(dataset: Any) -> tuple[str, ...]:
    for sides in _sides(dataset, ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio")):
        return () if max(sides) <= _SQUARE * min(sides) else (_STRETCHED,)
    return ()


def _burned_in(dataset: Any) -> tuple[str, ...]:
    return (_BURNED_IN,) if _code(dataset, "BurnedInAnnotation") == "YES" else ()


def _code(dataset: Any, keyword: str) -> str:
    return printable(dataset.get(keyword) or "").upper()


def _age_years(text: str) -> float | None:
    """The age of an age string (PS3.5, AS: ``018M``, ``057Y``); None for anything else.

    Many files leave the unit out; they mean years.
    """
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", text)
    return int(match[1]) / _PER_YEAR[match[2]] if match else None


def printable(value: Any) -> str:
    """A short code string, safe to show: DICOM's CS and UI characters, nothing else."""
    return re.sub(r"[^\w .,:/()&-]", "?", str(value), flags=re.ASCII).strip()[:64]
