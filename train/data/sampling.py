"""Sampling: which radiographs an epoch draws, in which order, batches and process."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed as dist
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, default_collate

from train.data.dataset import Key, Sample, Stratum

Sampling = Literal["all", "balanced", "oversampling", "undersampling"]
T = TypeVar("T")
_APART = 1_000_003  # a prime, and more epochs than anybody trains


class EpochSampler(Sampler[Key]):
    """The films of an epoch, in an order that (seed, epoch) decides, or all as they lie.

    Parameters
    ----------
    n
        How many films there are.
    seed
        None: every film, in order.
    strata
        Of each radiograph its class, its population and its source; for any sampling but ``all``.
        ``balanced`` draws as many of each class, in it of each population, in that of each source.
    sampling, radiographs
        As :class:`train.recipes.sections.Training` has them: ``sampling`` and
        ``samples_per_epoch``. Where an epoch does not draw all films, each is gone through in
        turn before one comes again.
    """

    def __init__(
        self,
        n: int,
        seed: int | None = None,
        strata: Sequence[Stratum] | None = None,
        sampling: Sampling = "all",
        radiographs: int = 0,
    ) -> None:
        self.seed = seed
        self.epoch = 0
        self._radiographs = radiographs
        self._members = np.arange(n)
        self._groups: list[tuple[NDArray[np.intp], int]] = []  # members, and how many an epoch has
        if sampling == "all":
            return
        assert strata is not None
        assert seed is not None
        if sampling == "balanced":
            total = radiographs or n
            self._groups = [
                (members, int(total * share)) for members, share in _balanced_groups(strata)
            ]
            return
        targets = np.array([target for target, *_ in strata])
        members = [np.flatnonzero(targets == t) for t in np.unique(targets)]
        if sampling == "undersampling":  # chosen once: the rest is never seen
            fewest = min(map(len, members))
            chosen = [
                np.random.default_rng((seed, len(m))).permutation(m)[:fewest] for m in members
            ]
            self._members = np.sort(np.concatenate(chosen))
            return
        most = radiographs // len(members) or max(map(len, members))
        self._groups = [(group, most) for group in members]

    def __len__(self) -> int:
        drawn = sum(count for _, count in self._groups)
        return drawn or self._radiographs or len(self._members)

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
        if self._groups:
            drawn = [self._turn(members, count) for members, count in self._groups]
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


def _balanced_groups(strata: Sequence[Stratum]) -> list[tuple[NDArray[np.intp], Fraction]]:
    """The members of each stratum, and the share of an epoch they are to have."""
    groups = []
    for target, population, source in sorted(set(strata)):
        classes = {t for t, _, _ in strata}
        populations = {p for t, p, _ in strata if t == target}
        sources = {s for t, p, s in strata if (t, p) == (target, population)}
        own = [i for i, stratum in enumerate(strata) if stratum == (target, population, source)]
        share = Fraction(1, len(classes) * len(populations) * len(sources))
        groups.append((np.array(own, np.intp), share))
    return groups


class RankSampler(Sampler[Key]):
    """This process's share of a sampler's order, as torch's DistributedSampler deals it out.

    In a single process that is the whole order. Shares are of one length: the order's first
    samples come twice where it does not divide evenly.
    """

    def __init__(self, order: EpochSampler) -> None:
        self.order = order

    def __len__(self) -> int:
        return (
            -(-len(self.order) // dist.get_world_size())
            if dist.is_initialized()
            else len(self.order)
        )

    def __iter__(self) -> Iterator[Key]:
        keys = list(self.order)
        if not dist.is_initialized():
            return iter(keys)
        return (keys[i] for i in DistributedSampler(keys, shuffle=False))  # type: ignore[arg-type, var-annotated]


def loader(
    dataset: Dataset[T],
    order: EpochSampler,
    batch_size: int,
    workers: int = 0,
    *,
    shared: bool = False,
    drop_last: bool = False,
) -> DataLoader[T]:
    """Batches in the sampler's order.

    Parameters
    ----------
    workers
        Processes that read ahead; 0: this one reads.
    shared
        Whether the processes of a distributed run take a share each; otherwise each takes all.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=RankSampler(order) if shared else order,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=drop_last,
        collate_fn=_collate,
        # A generator of its own: with the global one, making workers would shift dropout's draws.
        generator=torch.Generator().manual_seed(0),
    )


def _collate(samples: Any) -> Any:
    """One batch of single samples; kept features come as a batch already."""
    return samples if isinstance(samples, Sample) else default_collate(samples)
