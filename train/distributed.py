"""Several processes that train one network together, to the result that one would have had.

torchrun starts them; torch's DistributedDataParallel adds up their gradients. Each takes every
n-th film of each batch of the recipe. The outputs are gathered before the loss, so every process
has the loss, the accuracy and the validation of the whole batch, and all decide alike.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pneumonia.errors import RunError
from train.data.dataset import Batches, Sample, shares_of
from train.reporter import Reporter, Silent
from train.whole_batch import span_processes

_STEP_TIMEOUT = timedelta(minutes=10)  # for a step of the slowest, or the end of its epoch
_WAIT_TIMEOUT = timedelta(days=2)  # for what the first does alone: films, features, the bundle

T = TypeVar("T")


class Ranks:
    """A process among those that train one network together; alone, all is as if it were not here.

    Attributes
    ----------
    rank, world
        This process's number, and how many there are.
    local
        Its number on its own machine, which is that of its GPU.
    run
        The run's folder, once there is one.
    """

    def __init__(self, rank: int = 0, world: int = 1, local: int = 0) -> None:
        self.rank, self.world, self.local = rank, world, local
        self.run: Path | None = None
        self._radiographs = 0  # of the whole batch at hand
        self._machines = 1
        self._patient: dist.ProcessGroup | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a copied network stays in the same company

    @property
    def place(self) -> tuple[int, int]:
        return self.rank, self.world

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and speaks."""
        return self.rank == 0

    def reporter(self, reporter: Reporter) -> Reporter:
        return reporter if self.leads else Silent()

    # --- keeping together -----------------------------------------------------------------------

    def meet(self) -> None:
        """Wait until all are there, so that none may end before the last has begun."""
        if self.world > 1:
            group = dist.new_group(backend="gloo", timeout=_WAIT_TIMEOUT)
            assert isinstance(group, dist.ProcessGroup)
            places = [0] * self.world
            dist.all_gather_object(places, self.local, group=group)  # returns when all have come
            self._machines = places.count(0)
            self._patient = group

    def check(self, batch_size: int) -> None:
        """Raises RunError when a batch has too few films for all processes."""
        if batch_size < self.world:
            raise RunError(
                f"A batch of {batch_size} films cannot be shared among {self.world} processes. "
                "Start fewer of them, or give a larger --batch-size."
            )

    def must_be_one(self, what: str) -> None:
        """Raises RunError for a kind of training that several processes cannot share."""
        if self.world > 1:
            raise RunError(f"{what} is trained by one process. Start it without torchrun.")

    def agree(self, value: T) -> T:
        """What the first process has, for all of them: anything but tensors on a GPU."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._patient)
        return box[0]

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The first process does it alone; the others then find on disk what it made."""
        if not self.leads:
            dist.barrier(self._patient)
        yield
        if self.leads and self.world > 1:
            dist.barrier(self._patient)

    def enter(self, folder: Path, reporter: Reporter) -> Path:
        """The run's folder, which the first process has made, for all of them.

        Raises
        ------
        RunError
            When it is not to be seen from another machine.
        """
        if self.world == 1:
            return folder
        self.run = self.agree(folder)
        if not self.run.is_dir():
            raise RunError(
                f"The run's folder {self.run} is not to be seen from process {self.rank + 1} of "
                f"{self.world}. Give --runs a folder that all machines share, under one name."
            )
        reporter.line(
            f"{self.world} processes share each batch; should one of them end, all do. "
            f"The run then goes on with: {self.resuming}"
        )
        return self.run

    @property
    def resuming(self) -> str:
        """The command that goes on with this run."""
        start = f"torchrun --standalone --nproc-per-node {self.world}"
        if self._machines > 1:
            start = "torchrun, on each machine with the options it was started with,"
        return f"{start} -m train --resume {self.run}"

    # --- a network ------------------------------------------------------------------------------

    def adopt(self, network: nn.Module, device: str) -> None:
        """Take this process's GPU, and let layers that look at a batch look at all of it.

        Raises
        ------
        RunError
            When the machine has fewer GPUs than processes.
        """
        if self.world == 1:
            return
        if device == "cuda":
            if self.local >= torch.cuda.device_count():
                raise RunError(
                    f"torchrun started at least {self.local + 1} processes on a machine with "
                    f"{torch.cuda.device_count()} GPUs. Give --nproc-per-node that number, or "
                    "train with --device cpu."
                )
            torch.cuda.set_device(self.local)
        span_processes(network, self._own_rows, device)

    def spread(self, module: nn.Module) -> Callable[[str, Tensor], Any]:
        """A way to call a module's methods by name, so that gradients are added up over all.

        To be made anew when other layers begin to learn or to rest.
        """
        entrance = _Entrance(module)
        return entrance if self.world == 1 else DistributedDataParallel(entrance)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss that was taken over the whole batch.

        Each process has the part that comes of its own films. DistributedDataParallel takes the
        mean of these parts, and the gradient is their sum.
        """
        (loss * self.world).backward()  # type: ignore[no-untyped-call]

    # --- a batch --------------------------------------------------------------------------------

    def shares(self, batches: Batches) -> Iterator[Sample]:
        """The batches: ``x`` of this process's films, perhaps of none; the rest of all films."""
        for batch, radiographs in zip(batches, shares_of(batches).sizes(), strict=True):
            self._radiographs = radiographs
            own = len(range(self.rank, radiographs, self.world))
            x, *rest = (part[:own] for part in batch)
            yield Sample(x, *map(self.whole, rest))

    def whole(self, part: Tensor) -> Tensor:
        """This process's rows -> those of the whole batch, in its order.

        Gradients flow back into this process's own rows.
        """
        if self.world == 1:
            return part
        most = -(-self._radiographs // self.world)
        kind = torch.uint8 if part.dtype == torch.bool else part.dtype
        sent = part.new_zeros((most, *part.shape[1:]), dtype=kind)
        sent[: len(part)] = part.detach()
        received = [torch.empty_like(sent) for _ in range(self.world)]
        dist.all_gather(received, sent)
        whole = torch.stack(received, dim=1).flatten(0, 1)[: self._radiographs].to(part.dtype)
        whole[self.rank :: self.world] = part
        return whole

    def _own_rows(self, make: Callable[[int], Tensor]) -> Tensor:
        """This process's rows of what ``make`` gives for the number of films in the batch."""
        return make(self._radiographs)[self.rank :: self.world]


ALONE = Ranks()


class _Entrance(nn.Module):
    """Any method of a module through ``forward``, where DistributedDataParallel listens."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, name: str, x: Tensor) -> Any:
        return getattr(self.module, name)(x)


@contextmanager
def join() -> Iterator[Ranks]:
    """This process's place for as long as it trains; alone where torchrun did not start it.

    Raises
    ------
    RunError
        Where another process is gone: what to do, in place of torch's own error.
    """
    if not dist.is_torchelastic_launched():
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=_STEP_TIMEOUT)
    ranks = Ranks(dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank())
    try:
        with _naming_the_lost(ranks):
            ranks.meet()
            yield ranks
    except KeyboardInterrupt:
        if ranks.world == 1:
            raise
        raise RunError(_farewell(ranks, "it was told to stop, as when another one ends")) from None
    dist.destroy_process_group()


@contextmanager
def _naming_the_lost(ranks: Ranks) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # gloo's errors have no class of their own, but their text names its source files.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise RunError(
            _farewell(ranks, "another one ended, and says why if it could, or no longer answers")
        ) from None


def _farewell(ranks: Ranks, why: str) -> str:
    # It ends by itself now: torchrun, which stops what is left, must not cut its sentence short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said = f"Process {ranks.rank + 1} of {ranks.world} gives up: {why}."
    if ranks.run is None:
        return f"{said} The run had not begun; start it again."
    return f"{said} Every finished epoch is kept. Go on with: {ranks.resuming}"
