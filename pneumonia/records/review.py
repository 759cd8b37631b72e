"""A review: what a clinician says of a reading. Frozen values, no SQL."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Opinion(StrEnum):
    """What the clinician sees on the film, whatever the model said."""

    PNEUMONIA = "pneumonia"
    NO_PNEUMONIA = "no_pneumonia"
    UNSURE = "unsure"


class OtherFinding(StrEnum):
    """What else the film shows; the model looks for none of it."""

    EFFUSION = "effusion"
    PNEUMOTHORAX = "pneumothorax"
    ATELECTASIS = "atelectasis"
    CARDIOMEGALY = "cardiomegaly"
    NODULE_OR_MASS = "nodule_or_mass"
    FRACTURE = "fracture"
    LINE_OR_TUBE = "line_or_tube"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Review:
    """One review of a reading; a later one stands beside it and changes nothing of it.

    Attributes
    ----------
    created_at
        Aware, in UTC, to the microsecond.
    reviewer
        Who says so, as they call themselves.
    note
        Their own words; empty where nothing was said.
    """

    created_at: datetime
    reviewer: str
    opinion: Opinion
    findings: tuple[OtherFinding, ...] = ()
    note: str = ""
