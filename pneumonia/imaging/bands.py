"""A film in bands of rows, so that what is computed on the way stays small beside the film."""

from collections.abc import Iterator
from typing import Final

_PIXELS: Final = 2**20
"""Of one band: 4 MB for each float32 array made from it."""


def bands(height: int, width: int) -> Iterator[slice]:
    """The rows of a film, top to bottom, in slices of a million pixels or of a single row."""
    rows = max(1, _PIXELS // max(width, 1))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
