"""The Radiograph: what every other room is handed, whatever file it came from."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

QUARTER_TURNS = (0, 90, 180, 270)
"""Degrees clockwise by which a film can be turned."""

OTHER_POPULATION = "other"
"""Said of a radiograph that is of none of the populations a model tells apart."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of its picture; empty or None where it says nothing.

    It is compared with what a model knows and then forgotten: none of it is kept or shown but the
    code strings of what does not fit.

    Attributes
    ----------
    age_years
        The patient's age when the radiograph was taken.
    modality, body_part, view, laterality
        DICOM's code strings, upper case.
    population
        Whose radiograph it is in the words of a model's card (``child``, ``adult``), or
        :data:`OTHER_POPULATION`, as the person who sent it says; a file never says so.
    said_age_years
        The patient's age as that person says; the file's counts before it, and it before
        ``population``.
    """

    age_years: float | None = None
    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    population: str = ""
    said_age_years: float | None = None

    @property
    def known_age_years(self) -> float | None:
        """The age that counts: the file's, else the one that was said."""
        return self.said_age_years if self.age_years is None else self.age_years

    @property
    def is_lateral(self) -> bool:
        return self.view in ("LL", "RL", "LLAT", "RLAT") or self.view.startswith("LAT")


@dataclass(frozen=True, eq=False, slots=True)
class Radiograph:
    """One decoded film, upright, in the sense of MONOCHROME2 (air dark, bone bright).

    It carries nothing that identifies a patient: no tags, no EXIF, no file name.

    Attributes
    ----------
    pixels
        float32, shape (height, width), C-contiguous, read-only, in [0, 1]: stored values over the
        largest value of their bit depth (for DICOM, after modality and VOI LUT). The film's own
        range is kept: nothing is stretched here.
    format
        ``"JPEG"``, ``"PNG"`` or ``"DICOM"``.
    bits
        Bits per sample that the stored values use, 1 to 16.
    value_range
        Smallest and largest value as stored (DICOM: after the modality LUT), in stored units.
    sha256
        Hex digest of the uploaded bytes.
    warnings
        Sentences a reader of the result should see ("The picture has colour; ...").
    facts
        What the file says of its picture.
    levels
        uint16 (height, width): the grey levels before a window or table that hides some of them,
        from 0 for the least value that the file could hold. None where ``pixels`` hides nothing.
    spacing_mm
        Height and width of a pixel in millimetres, on the detector or as calibrated, where a DICOM
        file says so.
    """

    pixels: NDArray[np.float32]
    format: str
    bits: int
    value_range: tuple[float, float]
    sha256: str
    warnings: tuple[str, ...] = ()
    facts: Facts = Facts()
    levels: NDArray[np.uint16] | None = None
    spacing_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            raise ValueError(
                f"pixels must be float32 (height, width), not {self.pixels.dtype} "
                f"{self.pixels.shape}"
            )
        self.pixels.flags.writeable = False

    def of_patient(self, population: str, age_years: float | None = None) -> "Radiograph":
        """The same, said to be of a population and an age; see :class:`Facts`."""
        facts = replace(self.facts, population=population, said_age_years=age_years)
        return replace(self, facts=facts)

    @property
    def width(self) -> int:
        """Width in pixels, after EXIF orientation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels, after EXIF orientation."""
        return int(self.pixels.shape[0])

    def turned(self, clockwise: int) -> Self:
        """The same film turned clockwise by 0, 90, 180 or 270 degrees, and a warning that says so.

        Raises ValueError for another angle.
        """
        if clockwise not in QUARTER_TURNS:
            raise ValueError(f"a film is turned by quarters, not by {clockwise} degrees")
        if not clockwise:
            return self
        turn = -clockwise // 90
        levels, spacing = self.levels, self.spacing_mm
        note = f"The film was turned by {clockwise} degrees clockwise before reading, as asked."
        return replace(
            self,
            pixels=np.ascontiguousarray(np.rot90(self.pixels, turn)),
            levels=None if levels is None else np.ascontiguousarray(np.rot90(levels, turn)),
            spacing_mm=spacing[::-1] if spacing and turn % 2 else spacing,
            warnings=(*self.warnings, note),
        )

    def inverted_greys(self) -> Self:
        """The same film with black and white exchanged: pixels become 1 - pixels.

        For a film that came as a negative (air bright, bone dark). What is known of the file,
        ``value_range`` too, stays as it was stored.
        """
        levels = self.levels
        return replace(
            self,
            pixels=np.subtract(np.float32(1), self.pixels),
            levels=None
            if levels is None
            else np.subtract(2**self.bits - 1, levels, dtype=np.uint16),
        )
