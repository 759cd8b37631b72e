"""Which films an epoch draws, in which order, and who of several processes takes which."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Sampling = Literal["all", "balanced", "oversampling", "undersampling"]
Key = tuple[int, int]  # (view, index): what one drawn film is made from; the view is the epoch
_APART = 1_000_003  # a prime, and more epochs than anybody trains


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
    sampling, radiographs
        As :class:`train.recipes.sections.Training` has them: ``sampling`` and
        ``samples_per_epoch``. Where an epoch does not draw all films, each is gone through in
        turn before one comes again.
    """

    def __init__(
        self,
        n: int,
        seed: int | None = None,
        targets: NDArray[np.int64] | None = None,
        sampling: Sampling = "all",
        radiographs: int = 0,
    ) -> None:
        self.seed = seed
        self.epoch = 0
        self._radiographs = radiographs
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
        self._each = radiographs // len(members) if radiographs else most

    def __len__(self) -> int:
        return len(self._classes) * self._each or self._radiographs or len(self._members)

    def __iter__(self) -> Iterator[Key]:
        times: Counter[int] = Counter()
        for index in map(int, self._order()):
            # A film that comes again within the epoch is to be seen in another way.
            yield self.epoch + times[index] * _APART, index
            times[index] += 1

    def _order(self) -> NDArray[np.intp]:
        if self.seed is None:
            return self._members
        random = np.random.default_rng((self.seed, self.epoch))
        if self._classes:
            drawn = [self._turn(members, self._each) for members in self._classes]
            return random.permutation(np.concatenate(drawn))
        if self._radiographs:
            return self._turn(self._members, self._radiographs)
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


class Shares(Sampler[list[Key]]):
    """Of each batch every n-th film, n being how many processes share it.

    Parameters
    ----------
    sampler
        The order in which films come.
    batch_size
        Of the batch that is shared; the last may be smaller.
    rank, world
        This process's number, and how many there are.
    """

    def __init__(
        self, sampler: EpochSampler, batch_size: int, rank: int = 0, world: int = 1
    ) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        order = list(self.sampler)
        for at in range(0, len(order), self.batch_size):
            batch = order[at : at + self.batch_size]
            # A loader must have something to load; Ranks.shares takes it away again.
            yield batch[self.rank :: self.world] or batch[:1]

    def sizes(self) -> Iterator[int]:
        """Films in each whole batch."""
        radiographs = len(self.sampler)
        return (
            min(self.batch_size, radiographs - at) for at in range(0, radiographs, self.batch_size)
        )
