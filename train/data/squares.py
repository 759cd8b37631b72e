"""Films decoded once onto a square grid, and kept on disk for later runs."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DataError, ImageError
from pneumonia.imaging import decode
from pneumonia.imaging.preprocess import to_square
from train.data.manifest import Row
from train.files import write_text

OnBadImage = Literal["stop", "skip"]
Advance = Callable[[int], None]


def load_squares(
    rows: Sequence[Row],
    side: int,
    cache: Path,
    on_bad_image: OnBadImage,
    advance: Advance,
    warn: Callable[[str], None],
) -> tuple[tuple[Row, ...], NDArray[np.float32]]:
    """Decode every film once and keep its square on disk, memory-mapped.

    Parameters
    ----------
    side
        Of the square grid, pixels.
    cache
        Folder for the squares; a later run over the same films and side finds them there.
    advance
        Called with 1 after each film.

    Returns
    -------
    rows
        Those that could be read, in order.
    squares
        float32 (len(rows), side, side) in [0, 1], read-only.

    Raises
    ------
    DataError
        Naming the file, for a film that cannot be read when ``on_bad_image`` is ``"stop"``.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / f"squares-{cache_key(rows, side)}"
    array_path, index_path = stem.with_suffix(".npy"), stem.with_suffix(".json")
    if index_path.is_file():
        bad: dict[str, str] = json.loads(index_path.read_text(encoding="utf-8"))
        advance(len(rows))
    else:
        bad = _decode_all(rows, side, array_path, advance)
        write_text(index_path, json.dumps(bad))
    if bad and on_bad_image == "stop":
        file, why = next(iter(bad.items()))
        raise DataError(
            f"{len(bad)} films cannot be read, the first {file}: {why} "
            "Mend or remove them, or pass --on-bad-image skip to go on without them."
        )
    for file, why in bad.items():
        warn(f"skipped {file}: {why}")
    squares: NDArray[np.float32] = np.load(array_path, mmap_mode="r")
    if not bad:
        return tuple(rows), squares
    kept = [i for i, row in enumerate(rows) if row.file not in bad]
    return tuple(rows[i] for i in kept), squares[kept]


def cache_key(rows: Sequence[Row], side: int) -> str:
    """Depends on which files, their sizes and times, and the side of the square."""
    key = hashlib.sha256(f"2 {side}".encode())
    for row in rows:
        stat = row.path.stat()
        key.update(f"{row.path.resolve()}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode())
    return key.hexdigest()[:16]


def _decode_all(rows: Sequence[Row], side: int, path: Path, advance: Advance) -> dict[str, str]:
    partial = path.with_suffix(f".{os.getpid()}.partial")  # two runs may read the same films
    squares = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.float32, shape=(len(rows), side, side)
    )
    bad = {}
    for i, row in enumerate(rows):
        try:
            squares[i] = to_square(decode(row.path.read_bytes()).pixels, side)
        except (ImageError, OSError) as error:
            bad[row.file] = str(error)
        advance(1)
    squares.flush()
    partial.replace(path)
    return bad
