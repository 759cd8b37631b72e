"""What a decoder and the service say to each other: lines of JSON; film and pixels lie in memory
that both see.

Nothing here is pickled, and what a decoder says is checked like anything else from outside: the
film it was given may have taken it over.
"""

import json
import mmap
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from pneumonia.errors import ImageError
from pneumonia.imaging import Limits, Radiograph
from pneumonia.imaging.radiograph import Facts

MAX_LINE_BYTES: Final = 2**18
_CODES: Final = ("modality", "body_part", "view", "laterality")
"""What a file says of its picture, beside the age."""

GO_ON: Final = b"\n"
"""Said to a decoder when there is room for its film's pixels."""

TOO_MUCH_MEMORY = (
    "Decoding this film takes more memory than one film may have here. Export it at a lower "
    "resolution, or as a JPEG or PNG."
)


class BadMessage(Exception):  # noqa: N818
    """What came is none of these messages."""


def pack(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def unpack(line: bytes) -> dict[str, Any]:
    """Raises BadMessage."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage from error
    if not isinstance(fields, dict):
        raise BadMessage
    return fields


def describe(radiograph: Radiograph) -> dict[str, Any]:
    """A radiograph without its pixels."""
    facts = {name: getattr(radiograph.facts, name) for name in ("age_years", *_CODES)}
    return {
        "width": radiograph.width,
        "height": radiograph.height,
        "format": radiograph.format,
        "bits": radiograph.bits,
        "value_range": radiograph.value_range,
        "sha256": radiograph.sha256,
        "warnings": radiograph.warnings,
        "spacing_mm": radiograph.spacing_mm,
        "has_levels": radiograph.levels is not None,
        "facts": facts,
    }


def lay_down(radiograph: Radiograph, memory: mmap.mmap) -> None:
    """Put a radiograph's pixels, and its grey levels where it has them, into memory."""
    shape = radiograph.pixels.shape
    np.copyto(np.ndarray(shape, np.float32, memory), radiograph.pixels)
    if radiograph.levels is not None:
        levels = np.ndarray(shape, np.uint16, memory, offset=radiograph.pixels.nbytes)
        np.copyto(levels, radiograph.levels)


def _shape_of(described: dict[str, Any], limits: Limits) -> tuple[int, int]:
    """Height and width of a radiograph that was described. Raises BadMessage."""
    height, width = described.get("height"), described.get("width")
    if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
        raise BadMessage
    if height * width > limits.max_pixels:
        raise BadMessage
    return height, width


def rebuild(described: dict[str, Any], limits: Limits, memory: mmap.mmap) -> Radiograph:
    """The radiograph that was described and laid down. Raises BadMessage.

    Its arrays are copies, which no decoder can change any more.
    """
    shape = _shape_of(described, limits)
    pixels = np.ndarray(shape, np.float32, memory).copy()
    levels = None
    if described.get("has_levels") is True:
        levels = np.ndarray(shape, np.uint16, memory, offset=pixels.nbytes).copy()
    try:
        spacing = described["spacing_mm"]
        low, high = described["value_range"]
        facts = described["facts"]
        age = facts["age_years"]
        return Radiograph(
            pixels=pixels,
            format=str(described["format"]),
            bits=int(described["bits"]),
            value_range=(float(low), float(high)),
            sha256=str(described["sha256"]),
            warnings=tuple(str(sentence) for sentence in described["warnings"]),
            levels=levels,
            spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
            facts=Facts(
                age_years=None if age is None else float(age),
                modality=str(facts["modality"]),
                body_part=str(facts["body_part"]),
                view=str(facts["view"]),
                laterality=str(facts["laterality"]),
            ),
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise BadMessage from error


def refusal(fields: dict[str, Any]) -> ImageError:
    """The error that a decoder found in the film. Raises BadMessage."""
    kind = _REFUSALS.get(str(fields.get("code")))
    if kind is None:
        raise BadMessage
    return kind(str(fields.get("detail")))


def _kinds(kind: type[ImageError]) -> Iterator[type[ImageError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


_REFUSALS: Final = {kind.code: kind for kind in _kinds(ImageError)}
