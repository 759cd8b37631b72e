"""DICOM transfer syntaxes by UID, as they stand in (0002,0010) (PS3.5, annex A)."""

from typing import Final

_ROOT: Final = "1.2.840.10008.1.2"
IMPLICIT: Final = _ROOT
EXPLICIT: Final = f"{_ROOT}.1"
DEFLATED: Final = f"{_ROOT}.1.99"
BIG_ENDIAN: Final = f"{_ROOT}.2"
UNCOMPRESSED: Final = (IMPLICIT, EXPLICIT, BIG_ENDIAN)

BASELINE: Final = f"{_ROOT}.4.50"
EXTENDED: Final = f"{_ROOT}.4.51"
RETIRED: Final = frozenset((f"{_ROOT}.4.53", f"{_ROOT}.4.55"))
"""JPEG of spectral selection and full progression, 12 bits: written no more, and decoded."""
JPEG: Final = RETIRED | {BASELINE, EXTENDED, f"{_ROOT}.4.57", f"{_ROOT}.4.70"}
JPEG_LS: Final = frozenset((f"{_ROOT}.4.80", f"{_ROOT}.4.81"))
JPEG2000: Final = frozenset(f"{_ROOT}.4.{n}" for n in (90, 91, 201, 202, 203))
"""JPEG 2000 and its High-Throughput kind."""
RLE: Final = f"{_ROOT}.5"
COMPRESSED: Final = JPEG | JPEG_LS | JPEG2000 | {RLE}
