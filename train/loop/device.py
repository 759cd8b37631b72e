"""The device that a run computes on, and its precision."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from pneumonia.analysis.engines.candidates import choose_device
from train import ddp

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Device:
    """A device's name (``cpu`` or ``cuda``) and the precision of its forward passes."""

    name: str
    precision: str

    @classmethod
    def choose(cls, wanted: str, precision: str) -> "Device":
        """The device for ``auto``, ``cpu`` or ``cuda``. Raises BadSetting without that GPU."""
        return cls(choose_device(wanted), precision)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.name, torch.bfloat16, enabled=self.precision == "bfloat16")

    def place(self, model: M) -> M:
        """The model on this device, channels last; on the GPU of its rank in a distributed run."""
        if self.name == "cuda":
            ddp.on_own_gpu(model)
        return model.to(self.name, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def images(self, x: Tensor) -> Tensor:
        """A batch on this device; images (N, C, H, W) channels last, vectors as they are."""
        if x.ndim != 4:
            return x.to(self.name)
        return x.to(self.name, memory_format=torch.channels_last)
