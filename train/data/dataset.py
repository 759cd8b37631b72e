"""Rows -> films decoded once -> the network's inputs, by the very preprocessing that serves."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from pneumonia.analysis.finding import TWO_CLASSES
from pneumonia.errors import DataError, ImageError
from pneumonia.imaging import decode
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.preprocess import PreprocessSpec, apply_to_square, to_square
from train.data.manifest import Row
from train.data.shares import Shares
from train.data.view import draw_view
from train.files import write_text
from train.recipes.sections import Augmentation

OnBadImage = Literal["stop", "skip"]
Advance = Callable[[int], None]
Sampling = Literal["all", "balanced", "oversampling", "undersampling"]
Key = tuple[int, int]  # (epoch, index): what one drawn film is made from
STRIDE = 32  # of a map's cells, in pixels of the input


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
    stem = cache / f"squares-{_cache_key(rows, side)}"
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


def _cache_key(rows: Sequence[Row], side: int) -> str:
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


class Sample(NamedTuple):
    """One film, or a batch of them with a dimension more.

    Attributes
    ----------
    x
        (3, S, S) input, or what frozen layers make of it.
    target
        () int64, the class: 0 = normal, all others pneumonia.
    inside
        (h, w) share of lung in each cell of the map; zeros where the lungs are not known.
    covered
        () bool: the lungs cannot be seen.
    """

    x: Tensor
    target: Tensor
    inside: Tensor
    covered: Tensor

    @classmethod
    def plain(cls, x: Tensor, target: Tensor) -> Self:
        return cls(x, target, torch.zeros(1, 1), torch.tensor(False))


Batches = DataLoader[Sample]


def classes_of(rows: Sequence[Row], classes: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the films' places among the classes: normal and pneumonia, or with the etiology.

    Raises
    ------
    DataError
        When three classes are asked for and a film's etiology is not known.
    """
    if len(classes) == len(TWO_CLASSES):
        return np.array([row.label == "PNEUMONIA" for row in rows], np.int64)
    for row in rows:
        if row.etiology not in classes:
            raise DataError(
                f"{row.file} is not known to be bacterial or viral, and the recipe tells them "
                "apart. Name the file as the public data set does (person1_bacteria_1.jpeg), or "
                "give manifest.csv the column etiology."
            )
    return np.array([classes.index(row.etiology) for row in rows], np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Decoded:
    """Films on the square grid: float32 (n, S, S) in [0, 1], classes, and masks where known."""

    squares: NDArray[np.float32]
    targets: NDArray[np.int64]
    masks: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        squares: NDArray[np.float32],
        masks: NDArray[np.bool_] | None = None,
        classes: Sequence[str] = TWO_CLASSES,
    ) -> Self:
        return cls(squares, classes_of(rows, classes), masks)

    def lungs(self, index: int) -> Lungs | None:
        if self.masks is None:
            return None
        return Lungs(self.masks[index].astype(np.float32))


class FilmSet(Dataset[Sample]):
    """Films as inputs: plain as they are served, or augmented as (seed, epoch, index) decides."""

    def __init__(
        self,
        films: Decoded,
        spec: PreprocessSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.films = films
        self.spec = spec
        self.augmentation = augmentation
        self.seed = seed

    @property
    def targets(self) -> NDArray[np.int64]:
        return self.films.targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        square, lungs = np.array(self.films.squares[index]), self.films.lungs(index)
        target = torch.tensor(self.targets[index])
        if self.augmentation is None:
            x, _ = apply_to_square(square, square.shape, self.spec, lungs)
            return Sample.plain(torch.from_numpy(x), target)
        random = np.random.default_rng((self.seed, epoch, index))
        view = draw_view(square, lungs, self.spec, self.augmentation, random, self._another)
        cells = -(-self.spec.size // STRIDE)
        inside = cv2.resize(view.inside, (cells, cells), interpolation=cv2.INTER_AREA)
        return Sample(
            torch.from_numpy(view.x), target, torch.from_numpy(inside), torch.tensor(view.covered)
        )

    def _another(self, random: np.random.Generator) -> NDArray[np.float32]:
        return np.array(self.films.squares[random.integers(len(self))])


class EpochSampler(Sampler[Key]):
    """The films of an epoch, in an order that (seed, epoch) decides, or all as they lie.

    Parameters
    ----------
    n
        How many films there are.
    seed
        None: every film, in order.
    targets
        (n,) classes of the films, for any sampling but ``all``.
    sampling, films
        As :class:`train.recipes.sections.Training` has them: ``sampling`` and ``films_per_epoch``.
        Where an epoch does not draw all films, each is gone through in turn before one comes again.
    """

    def __init__(
        self,
        n: int,
        seed: int | None = None,
        targets: NDArray[np.int64] | None = None,
        sampling: Sampling = "all",
        films: int = 0,
    ) -> None:
        self.seed = seed
        self.epoch = 0
        self._films = films
        self._members = np.arange(n)
        self._classes: list[NDArray[np.intp]] = []
        self._each = 0
        if sampling == "all":
            return
        assert targets is not None
        assert seed is not None
        members = [np.flatnonzero(targets == t) for t in np.unique(targets)]
        if sampling == "undersampling":  # chosen once: the rest is never seen
            fewest = min(map(len, members))
            chosen = [
                np.random.default_rng((seed, len(m))).permutation(m)[:fewest] for m in members
            ]
            self._members = np.sort(np.concatenate(chosen))
            return
        self._classes = members
        most = n // len(members) if sampling == "balanced" else max(map(len, members))
        self._each = films // len(members) if films else most

    def __len__(self) -> int:
        return len(self._classes) * self._each or self._films or len(self._members)

    def __iter__(self) -> Iterator[Key]:
        return ((self.epoch, int(i)) for i in self._order())

    def _order(self) -> NDArray[np.intp]:
        if self.seed is None:
            return self._members
        random = np.random.default_rng((self.seed, self.epoch))
        if self._classes:
            drawn = [self._turn(members, self._each) for members in self._classes]
            return random.permutation(np.concatenate(drawn))
        if self._films:
            return self._turn(self._members, self._films)
        return random.permutation(self._members)

    def _turn(self, members: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """The next ``count`` of an endless series of shuffled rounds through the members."""
        assert self.seed is not None
        places = np.arange(self.epoch * count, (self.epoch + 1) * count)
        rounds = places // len(members)
        shuffled = {
            r: np.random.default_rng((self.seed, int(r), len(members))).permutation(members)
            for r in np.unique(rounds)
        }
        return np.array(
            [shuffled[r][p % len(members)] for r, p in zip(rounds, places, strict=True)], np.intp
        )


def loader(
    films: Dataset[Sample],
    sampler: EpochSampler,
    batch_size: int,
    workers: int,
    place: tuple[int, int] = (0, 1),
) -> Batches:
    """Batches of Samples in the sampler's order.

    ``place`` is this process's number and how many share each batch; see :class:`Shares`.
    """
    return DataLoader(
        films,
        batch_sampler=Shares(sampler, batch_size, *place),
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=_collate,
        # A generator of its own: with the global one, making workers would shift dropout's draws.
        generator=torch.Generator().manual_seed(0),
    )


def shares_of(batches: Batches) -> Shares:
    """What a :func:`loader` goes by."""
    shares = batches.batch_sampler
    assert isinstance(shares, Shares)
    return shares


def _collate(samples: list[Sample] | Sample) -> Sample:
    """One batch of single samples; kept features come as a batch already."""
    return samples if isinstance(samples, Sample) else default_collate(samples)
