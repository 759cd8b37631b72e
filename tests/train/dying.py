"""``python -m train``, but that the second process is killed in the middle of the second epoch.

torchrun starts it for ``test_distributed.py``. What dies, and how the others end, is real.
"""

import os
import signal
from typing import Any

from torch import Tensor, nn

from train import ddp
from train.cli import train
from train.loop.classifier import ClassifierTask

loss = ClassifierTask.loss


def loss_until_killed(
    self: ClassifierTask, model: nn.Module, batch: Any
) -> tuple[Tensor, dict[str, float]]:
    if ddp.rank() == 1 and self.order.epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss(self, model, batch)


ClassifierTask.loss = loss_until_killed  # type: ignore[method-assign]
train(prog_name="python -m train")
