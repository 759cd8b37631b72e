"""Several processes that train one network: torchrun starts them, torch's own verbs join them.

Without torchrun there is one process, of rank 0, and every function here is a no-op. Each process
takes its share of every batch, and DistributedDataParallel averages the gradients. The main process
alone validates, writes and speaks. On the CPU, batch normalisation sees one process's share only.
"""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pneumonia.errors import RunError

_TIMEOUT = timedelta(hours=12)  # the others wait while the first reads all radiographs
T = TypeVar("T")


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    return rank() == 0


def broadcast(value: T) -> T:
    """The main process's value, in every process."""
    box = [value]
    if world_size() > 1:
        dist.broadcast_object_list(box, src=0)
    return box[0]


def mean(values: dict[str, float]) -> dict[str, float]:
    """Each figure's mean over the processes."""
    if world_size() == 1:
        return values
    total = torch.tensor(list(values.values()), dtype=torch.float64)
    dist.all_reduce(total)
    return dict(zip(values, (total / world_size()).tolist(), strict=True))


@contextmanager
def main_first() -> Iterator[None]:
    """A block that the main process runs alone; the others then find on disk what it made."""
    if not is_main():
        dist.barrier()
    yield
    if is_main() and world_size() > 1:
        dist.barrier()


def on_own_gpu(model: nn.Module) -> nn.Module:
    """The model on the GPU of this process's rank, with SyncBatchNorm where there are several.

    Raises RunError when the machine has fewer GPUs than processes.
    """
    if world_size() > 1:
        local, gpus = dist.get_node_local_rank(), torch.cuda.device_count()
        if local >= gpus:
            raise RunError(
                f"torchrun started at least {local + 1} processes on a machine with {gpus} GPUs. "
                "Give --nproc-per-node that number, or train with --device cpu."
            )
        torch.cuda.set_device(local)
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return model.to("cuda")


def parallel(model: nn.Module) -> nn.Module:
    """The model in DistributedDataParallel; to be called again when other layers are frozen."""
    return model if world_size() == 1 else DistributedDataParallel(model)


@contextmanager
def process_group() -> Iterator[None]:
    """Membership in the group of processes that torchrun started, until the block ends."""
    if not dist.is_torchelastic_launched():
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=_TIMEOUT)
    with naming_a_lost_process("The run had not begun; start it again."):
        dist.barrier()  # none may end before the last has begun
        yield
    # A model in DistributedDataParallel is a reference cycle, and holds the group: its threads must
    # have ended before the interpreter does.
    gc.collect()
    dist.destroy_process_group()


@contextmanager
def naming_a_lost_process(advice: str) -> Iterator[None]:
    """A block that ends in a RunError with this advice where another process is gone."""
    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as error:
        # gloo's errors have no class of their own, but their text names its source files.
        lost = isinstance(error, KeyboardInterrupt | dist.DistError) or "gloo" in str(error)
        if world_size() == 1 or not lost:
            raise
        # It ends by itself: torchrun's signal to what is left must not cut its sentence short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise RunError(
            f"Process {rank() + 1} of {world_size()} gives up: another one ended, or it was told "
            f"to stop. {advice}"
        ) from None
