"""What a DICOM file says of its picture, and where it contradicts itself."""

import re
from typing import Any, Final

from pneumonia.imaging.radiograph import Facts

_CHECK: Final = "Check that air is dark on the film shown."
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


def contradictions(dataset: Any) -> tuple[str, ...]:
    """Sentences for the reader of the result, where the file says two things at once."""
    photometric = _code(dataset, "PhotometricInterpretation")
    shape = _code(dataset, "PresentationLUTShape")
    # PS3.3 C.8.11.3.1: INVERSE goes with MONOCHROME1, where it states the inversion a second
    # time, and IDENTITY with MONOCHROME2. The photometric interpretation decides.
    if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        said = f"(0028,0004) is {photometric} and (2050,0020) is {shape}"
        return (f"The DICOM file contradicts itself: {said}. {_CHECK}",)
    return ()


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
