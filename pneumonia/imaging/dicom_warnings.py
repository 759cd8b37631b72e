"""What a DICOM file says of itself that does not fit a frontal chest film."""

import re
from typing import Any


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
    # PS3.3 C.8.11.3.1: INVERSE goes with MONOCHROME1, where it states the inversion a second
    # time, and IDENTITY with MONOCHROME2. The photometric interpretation decides.
    if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        notes.append(
            f"The DICOM file contradicts itself: (0028,0004) is {photometric} and (2050,0020) is "
            f"{shape}. Check that air is dark on the film shown."
        )
    return tuple(notes)


def printable(value: Any) -> str:
    """A short code string, safe to show: DICOM's CS and UI characters, nothing else."""
    return re.sub(r"[^\w .,:/()&-]", "?", str(value), flags=re.ASCII).strip()[:64]
