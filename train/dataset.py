"""Rows -> films decoded once -> the network's inputs, by the very preprocessing that serves."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pneumonia.errors import DataError, ImageError
from pneumonia.imaging import decode
from pneumonia.imaging.preprocess import PreprocessSpec, normalise, stretch, to_square
from train.augment import augment
from train.files import write_text
from train.manifest import Row
from train.recipe import Augmentation

OnBadImage = Literal["stop", "skip"]
Advance = Callable[[int], None]
Key = tuple[int, int]  # (epoch, index): what one drawn film is made from
Batches = DataLoader[tuple[Tensor, Tensor]]


def load_squares(
    rows: Sequence[Row],
    spec: PreprocessSpec,
    cache: Path,
    on_bad_image: OnBadImage,
    advance: Advance,
    warn: Callable[[str], None],
) -> tuple[tuple[Row, ...], NDArray[np.float32]]:
    """Decode every film once and keep its square on disk, memory-mapped.

    Parameters
    ----------
    cache
        Folder for the squares; a later run over the same films and size finds them there.
    advance
        Called with 1 after each film.

    Returns
    -------
    rows
        Those that could be read, in order.
    squares
        float32 (len(rows), size, size) in [0, 1], read-only.

    Raises
    ------
    DataError
        Naming the file, for a film that cannot be read when ``on_bad_image`` is ``"stop"``.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / f"squares-{_cache_key(rows, spec)}"
    array_path, index_path = stem.with_suffix(".npy"), stem.with_suffix(".json")
    if index_path.is_file():
        bad: dict[str, str] = json.loads(index_path.read_text(encoding="utf-8"))
        advance(len(rows))
    else:
        bad = _decode_all(rows, spec, array_path, advance)
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


def _cache_key(rows: Sequence[Row], spec: PreprocessSpec) -> str:
    """Depends on which files, their sizes and times, and the side of the square."""
    key = hashlib.sha256(f"1 {spec.size}".encode())
    for row in rows:
        stat = row.path.stat()
        key.update(f"{row.path.resolve()}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode())
    return key.hexdigest()[:16]


def _decode_all(
    rows: Sequence[Row], spec: PreprocessSpec, path: Path, advance: Advance
) -> dict[str, str]:
    partial = path.with_suffix(f".{os.getpid()}.partial")  # two runs may read the same films
    squares = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.float32, shape=(len(rows), spec.size, spec.size)
    )
    bad = {}
    for i, row in enumerate(rows):
        try:
            squares[i] = to_square(decode(row.path.read_bytes()).pixels, spec)
        except (ImageError, OSError) as error:
            bad[row.file] = str(error)
        advance(1)
    squares.flush()
    partial.replace(path)
    return bad


class FilmSet(Dataset[tuple[Tensor, Tensor]]):
    """Films as inputs: plain as they are served, or augmented as (seed, epoch, index) decides."""

    def __init__(
        self,
        rows: Sequence[Row],
        squares: NDArray[np.float32],
        spec: PreprocessSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.squares = squares
        self.spec = spec
        self.augmentation = augmentation
        self.seed = seed
        self.targets = np.array([row.label == "PNEUMONIA" for row in rows], np.float32)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """(3, S, S) input and () target, 1 = pneumonia."""
        epoch, index = key
        square = np.array(self.squares[index])
        if self.augmentation is not None:
            random = np.random.default_rng((self.seed, epoch, index))
            square = augment(square, self.augmentation, random)
        x = normalise(stretch(square, self.spec), self.spec)
        return torch.from_numpy(x), torch.tensor(self.targets[index])


class EpochSampler(Sampler[Key]):
    """Every film once per epoch, in an order that (seed, epoch) decides, or as they lie."""

    def __init__(self, n: int, seed: int | None = None) -> None:
        self.n = n
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Key]:
        order = (
            np.arange(self.n)
            if self.seed is None
            else np.random.default_rng((self.seed, self.epoch)).permutation(self.n)
        )
        return ((self.epoch, int(i)) for i in order)


def loader(
    films: Dataset[tuple[Tensor, Tensor]], sampler: EpochSampler, batch_size: int, workers: int
) -> Batches:
    """Batches of (N, 3, S, S) inputs and (N,) targets, in the sampler's order."""
    return DataLoader(
        films,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        # A generator of its own: with the global one, making workers would shift dropout's draws.
        generator=torch.Generator().manual_seed(0),
    )
