"""Layers that look at a whole batch, of which each of several processes holds a part.

torch's SyncBatchNorm runs on GPUs only; this one runs on the CPU. Dropout draws the mask of the
whole batch in every process and uses its own rows, so that it is the mask one process would draw.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

OwnRows = Callable[[Callable[[int], Tensor]], Tensor]


def span_processes(network: nn.Module, own_rows: OwnRows, device: str) -> None:
    """Replace, in place, batch normalisation and dropout; names and weights stay.

    Parameters
    ----------
    own_rows
        Given what makes a tensor for n films, gives this process's rows of that for its batch.
    """
    for name, layer in network.named_children():
        if isinstance(layer, _BatchNorm):
            setattr(network, name, _normalisation(layer, device))
        elif isinstance(layer, nn.Dropout):
            setattr(network, name, WholeBatchDropout(layer.p, own_rows))
        else:
            span_processes(layer, own_rows, device)


def _normalisation(layer: _BatchNorm, device: str) -> nn.Module:
    if device == "cuda":
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(layer))  # type: ignore[no-untyped-call]
    made = WholeBatchNorm(
        layer.num_features,
        eps=layer.eps,
        momentum=layer.momentum,
        affine=layer.affine,
        track_running_stats=layer.track_running_stats,
    )
    made.weight, made.bias = layer.weight, layer.bias
    made.running_mean, made.running_var = layer.running_mean, layer.running_var
    made.num_batches_tracked = layer.num_batches_tracked
    return made.train(layer.training)


class WholeBatchNorm(_BatchNorm):
    """Batch normalisation by the mean and variance over the films of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, ...) of this process, n >= 0 -> the same, normalised."""
        if not self.training:
            return super().forward(x)
        dims = (0, *range(2, x.ndim))
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        count = wide.new_tensor([wide.numel() // wide.shape[1]])
        # The sum of each channel and how many cells it is over, in one message.
        sums = _sum_over_all(torch.cat([wide.sum(dims), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = wide - mean.view(shape)
        variance = _sum_over_all(centred.square().sum(dims)) / total
        self._remember(mean.detach(), variance.detach(), float(total))
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, total: float) -> None:
        """Move the running statistics, the variance without bias, as torch's layer does."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (total / max(total - 1, 1)), share)

    def _check_input_dim(self, x: Tensor) -> None:
        pass  # vectors, maps: whatever has channels second


class WholeBatchDropout(nn.Dropout):
    """Dropout by this process's rows of the mask for the films of all processes."""

    def __init__(self, p: float, own_rows: OwnRows) -> None:
        super().__init__(p)
        self._own_rows = own_rows

    def forward(self, x: Tensor) -> Tensor:
        """(n, ...) -> the same, each value 0 with probability p or divided by 1 - p."""
        if not self.training or self.p == 0:
            return x
        return x * self._own_rows(
            lambda radiographs: F.dropout(
                x.new_ones(radiographs, *x.shape[1:]), self.p, training=True
            )
        )


class _Sum(torch.autograd.Function):
    """What each process uses of a sum is part of the one loss: the gradients add up as well."""

    @staticmethod
    def forward(_context: Any, part: Tensor) -> Tensor:
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _sum_over_all(part: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(part))
