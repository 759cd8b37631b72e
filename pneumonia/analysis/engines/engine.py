"""What the predictor asks of an engine; PyTorch, which every other one is held against."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn


class EngineRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """An engine cannot run a network, or does not give PyTorch's answers; the text says why."""


class Engine(Protocol):
    """Runs networks for evaluation.

    Attributes
    ----------
    name
        For logs and for who watches the server.
    device
        Where its inputs and outputs lie, as torch calls it.
    torch_threads
        CPU threads for what is left to PyTorch meanwhile.
    """

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def torch_threads(self) -> int: ...

    def prepare(self, network: nn.Module, probe: Tensor) -> nn.Module:
        """The same network as a module that this engine runs, in float32.

        Parameters
        ----------
        network
            One float32 tensor in; one out, or a tuple of them; all with the batch first.
        probe
            Float32 images on the CPU, of the shape that the network will be given.

        Raises
        ------
        EngineRefusal
            When it cannot, or when it answers otherwise on the probe.
        """

    def draft(self, prepared: nn.Module) -> nn.Module | None:
        """What :meth:`prepare` gave, rounding to 16 bits within; None where that is not faster."""


class TorchEngine:
    """PyTorch in float32, on the CPU or a GPU. It refuses nothing.

    Parameters
    ----------
    threads
        CPU threads; 0: as many as PyTorch has now.
    """

    def __init__(self, device: str, threads: int = 0) -> None:
        self.device = device
        self.torch_threads = threads or torch.get_num_threads()
        self.name = f"PyTorch on {device}"

    def prepare(self, network: nn.Module, probe: Tensor) -> nn.Module:
        del probe
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def draft(self, prepared: nn.Module) -> None:
        del prepared


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """So many CPU threads for PyTorch, for the length of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
