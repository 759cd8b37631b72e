"""What the predictor asks of an engine; PyTorch, which every other one is held against."""

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
    """

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...

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
    """PyTorch in float32, on the CPU or a GPU. It refuses nothing."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.name = f"PyTorch on {device}"

    def prepare(self, network: nn.Module, probe: Tensor) -> nn.Module:
        del probe
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def draft(self, prepared: nn.Module) -> None:
        del prepared
