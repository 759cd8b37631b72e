"""A reading: one image, analysed once. Frozen values, no SQL."""

from dataclasses import dataclass, field
from datetime import datetime

from pneumonia.analysis.finding import Finding
from pneumonia.records.review import Opinion


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is kept of the upload: nothing out of it that names a file or a patient.

    Attributes
    ----------
    format
        ``"JPEG"``, ``"PNG"`` or ``"DICOM"``.
    width, height
        Size of the film in pixels, upright.
    sha256
        Hex digest of the uploaded bytes.
    """

    format: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """One image and what the analysis said of it.

    Attributes
    ----------
    id
        32 lower-case hex digits of a random UUID: it cannot be guessed.
    created_at
        Aware, in UTC, to the microsecond.
    reference
        What the person who sent it calls it (initials, an accession number); empty where nothing
        was said. Never taken from the file.
    synthetic
        Drawn by a program: one of the samples.
    study
        Whose film it is: patient, study and instance of a DICOM file, as a DICOM data set without
        pixels. Empty unless the operator keeps it.
    batch, batch_position
        The films it was sent together with, by an id as random as a reading's, and which of them
        it is, from 1 on; empty and 0 where it was sent alone.
    opinion
        Of the last review; None where there is none.
    """

    id: str
    created_at: datetime
    image: ImageInfo
    finding: Finding
    reference: str = ""
    synthetic: bool = False
    study: bytes = field(default=b"", repr=False)
    batch: str = ""
    batch_position: int = 0
    opinion: Opinion | None = None
