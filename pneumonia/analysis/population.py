"""The population a model was trained on, as its card declares it, and a file's facts against it."""

import re
from dataclasses import dataclass
from typing import Any, Self

from pneumonia.imaging.radiograph import Facts
from pneumonia.phrases import phrase

_SYNONYMS = {"CHEST": "CHEST|THORA|TORAX|LUNG"}  # of a body part, as machines write it
_XRAY = ("", "CR", "DX", "RG", "XR")


@dataclass(frozen=True, slots=True)
class Population:
    """Whose radiographs a model was trained on.

    Attributes
    ----------
    text
        In words, after "films of": "children of 1 to 5 years from one hospital"; empty where the
        card does not say.
    age_years
        Youngest and oldest, in whole years, both included; None where the card does not say.
    body_part
        As DICOM's Body Part Examined (0018,0015).
    views
        As DICOM's View Position (0018,5101).
    """

    text: str = ""
    age_years: tuple[int, int] | None = None
    body_part: str = "CHEST"
    views: tuple[str, ...] = ("PA", "AP")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no population."""
        if not isinstance(values, dict):
            raise TypeError(f"population must be an object with a text, not {values!r}")
        ages = values["age_years"]
        if ages is not None:
            low, high = (int(age) for age in ages)
            if not 0 <= low <= high:
                raise ValueError(f"population.age_years must rise from 0 or more, not {ages}")
            ages = (low, high)
        return cls(str(values["text"]), ages, str(values["body_part"]), tuple(values["views"]))

    def as_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "age_years": list(self.age_years) if self.age_years else None,
            "body_part": self.body_part,
            "views": list(self.views),
        }

    def holds(self, age_years: float) -> bool:
        """Whether a patient of this age belongs to it; False where it names no ages."""
        if self.age_years is None:
            return False
        low, high = self.age_years
        return low <= age_years < high + 1

    def contradictions(self, facts: Facts) -> tuple[str, ...]:
        """Sentences on what a file says that does not fit; none where it fits or says nothing."""
        notes = []
        if facts.modality not in _XRAY:
            notes.append(
                f"The DICOM file says modality {facts.modality}; a chest X-ray is CR or DX."
            )
        part = self.body_part.upper()
        if facts.body_part and not re.search(_SYNONYMS.get(part, re.escape(part)), facts.body_part):
            notes.append(
                f"The DICOM file says body part {facts.body_part}; the model knows the "
                f"{part.lower()} only."
            )
        if facts.is_lateral and not {"LL", "RL", "LATERAL"} & set(self.views):
            notes.append(
                f"The DICOM file says view {facts.view}, lateral; the model knows frontal films."
            )
        age = facts.known_age_years
        if self.age_years is not None and age is not None and not self.holds(age):
            low, high = self.age_years
            was_told = facts.age_years is None
            says = phrase("It was said") if was_told else phrase("The DICOM file says")
            # The age itself is not repeated: warnings are kept with the reading.
            notes.append(
                f"{says} that the patient is not {low} to {high} years old; the model knows films "
                "of such patients only."
            )
        return tuple(notes)
