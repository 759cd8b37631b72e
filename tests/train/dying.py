"""``python -m train``, but that the second process is killed in the middle of the second epoch.

torchrun starts it for ``test_distributed.py``. What dies, and how the others end, is real.
"""

import os
import signal
from collections.abc import Iterator

from train.cli import train
from train.data.dataset import Batches, Sample, shares_of
from train.distributed import Ranks

shares = Ranks.shares


def shares_until_killed(self: Ranks, batches: Batches) -> Iterator[Sample]:
    second_epoch = shares_of(batches).sampler.epoch == 1
    for step, batch in enumerate(shares(self, batches)):
        if self.rank == 1 and second_epoch and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch


Ranks.shares = shares_until_killed  # type: ignore[method-assign]
train(prog_name="python -m train")
