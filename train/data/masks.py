"""The lungs as people drew them: a picture over the whole film, named by the manifest."""

import hashlib
from collections.abc import Iterable

from pneumonia.errors import DataError, ImageError
from pneumonia.imaging import decode
from pneumonia.imaging.lungs import Lungs
from train.data.manifest import Row


def read(row: Row, side: int) -> Lungs | None:
    """The lungs of a film on a square grid of ``side``; None where the data has no drawing.

    Raises
    ------
    DataError
        When the drawing cannot be read.
    """
    if row.mask is None:
        return None
    try:
        pixels = decode(row.mask.read_bytes()).pixels
    except (ImageError, OSError) as error:
        raise DataError(
            f"The lung mask {row.mask.name} of {row.file} cannot be read: {error} "
            "Restore it or take it out of the manifest."
        ) from error
    return Lungs.of_mask(pixels > 0.5, side)


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 (hex) over the films' names and their drawings, independent of their order."""
    total = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.file):
        drawn = hashlib.sha256(row.mask.read_bytes()).hexdigest() if row.mask else ""
        total.update(f"{row.file}\t{drawn}\n".encode())
    return total.hexdigest()
