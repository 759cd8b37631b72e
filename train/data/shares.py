"""Batches in a sampler's order, and of each the part that one of several processes takes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch.utils.data import Sampler

if TYPE_CHECKING:
    from train.data.dataset import EpochSampler, Key


class Shares(Sampler[list["Key"]]):
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
        self, sampler: "EpochSampler", batch_size: int, rank: int = 0, world: int = 1
    ) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[list["Key"]]:
        order = list(self.sampler)
        for at in range(0, len(order), self.batch_size):
            batch = order[at : at + self.batch_size]
            # A loader must have something to load; Ranks.shares takes it away again.
            yield batch[self.rank :: self.world] or batch[:1]

    def sizes(self) -> Iterator[int]:
        """Films in each whole batch."""
        films = len(self.sampler)
        return (min(self.batch_size, films - at) for at in range(0, films, self.batch_size))
