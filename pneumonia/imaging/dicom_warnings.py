"""What a DICOM file says of itself that does not fit a frontal chest film."""

import re
from typing import Any, Final

_PER_YEAR: Final = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}


def content_warnings(dataset: Any) -> tuple[str, ...]:
    """Sentences for the reader of the result; none where the file fits or says nothing."""
    modality, part, view, photometric, shape = (
        printable(dataset.get(key) or "").upper()
        for key in (
            "Modality",
            "BodyPartExamined",
            "ViewPosition",
            "PhotometricInterpretation",
            "PresentationLUTShape",
        )
    )
    notes = []
    if modality not in ("", "CR", "DX", "RG", "XR"):
        notes.append(f"The DICOM file says modality {modality}; a chest X-ray is CR or DX.")
    if part and not re.search("CHEST|THORA|TORAX|LUNG", part):
        notes.append(f"The DICOM file says body part {part}; the model knows the chest only.")
    if view in ("LL", "RL", "LLAT", "RLAT") or view.startswith("LAT"):
        notes.append(f"The DICOM file says view {view}, lateral; the model knows frontal films.")
    if _is_outside_the_ages(printable(dataset.get("PatientAge") or "").upper()):
        # The age itself is not repeated: warnings are kept with the reading.
        notes.append(
            "The DICOM file says that the patient is not 1 to 5 years old; the model knows films "
            "of such children only."
        )
    # PS3.3 C.8.11.3.1: INVERSE goes with MONOCHROME1, where it states the inversion a second
    # time, and IDENTITY with MONOCHROME2. The photometric interpretation decides.
    if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        notes.append(
            f"The DICOM file contradicts itself: (0028,0004) is {photometric} and (2050,0020) is "
            f"{shape}. Check that air is dark on the film shown."
        )
    return tuple(notes)


def _is_outside_the_ages(text: str) -> bool:
    """Whether an age string (PS3.5, AS: ``018M``, ``057Y``) is below 1 or from 6 years on.

    Many files leave the unit out; they mean years.
    """
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", text)
    return match is not None and not 1 <= int(match[1]) / _PER_YEAR[match[2]] < 6


def printable(value: Any) -> str:
    """A short code string, safe to show: DICOM's CS and UI characters, nothing else."""
    return re.sub(r"[^\w .,:/()&-]", "?", str(value), flags=re.ASCII).strip()[:64]
