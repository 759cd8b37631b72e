"""The class activation map, from the features of the one forward pass. No hooks, no autograd.

Zhou et al. 2016 (CAM) for a pooled linear head. In general HiResCAM (Draelos and Carin 2020): at
each cell, the gradient of the logit times the features there. Where cells are averaged the gradient
is the same in all of them, which is Grad-CAM (Selvaraju et al. 2017); where they are flattened each
has its own. Through dense layers with ReLU the gradient is the product of the layers' matrices with
the inactive units left out.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from pneumonia.networks.outputs import pneumonia_gradient


class GlobalAverage(nn.Module):
    """(N, C, h, w) feature map -> (N, C) averages over its cells."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3))


def class_activation_map(features: Tensor, pool: nn.Module, layers: Sequence[nn.Module]) -> Tensor:
    """What each cell of the feature map adds to the logit of pneumonia.

    Parameters
    ----------
    features
        (N, C, h, w), the last feature map.
    pool
        :class:`GlobalAverage` or ``nn.Flatten``.
    layers
        Linear layers, ReLU and (inactive) dropout, from the pooled features to K outputs.

    Returns
    -------
    (N, h, w), in logits: the mean over cells, plus the layers' bias terms, is the logit of
    pneumonia. (For K = 3 the entropy of bacterial against viral counts as a bias term.) Grad-CAM,
    for averaged cells, is the positive part of this, divided by h * w.

    Raises
    ------
    TypeError
        For another kind of pooling or layer.
    """
    gradient = _logit_gradient(pool(features), layers)
    if isinstance(pool, GlobalAverage):
        return torch.einsum("nc,nchw->nhw", gradient, features)
    if isinstance(pool, nn.Flatten):
        height, width = features.shape[2:]
        return (gradient.view_as(features) * features).sum(dim=1) * (height * width)
    raise TypeError(f"the map is not defined for pooling by {type(pool).__name__}")


def _logit_gradient(pooled: Tensor, layers: Sequence[nn.Module]) -> Tensor:
    """(N, D) gradient of the pneumonia logit in the pooled features, in evaluation mode."""
    back: list[Callable[[Tensor], Tensor]] = []
    x = pooled
    for layer in layers:
        if isinstance(layer, nn.Linear):
            back.append(partial(_through_matrix, layer.weight))
            x = layer(x)
        elif isinstance(layer, nn.ReLU):
            back.append(partial(torch.mul, (x > 0).to(x.dtype)))
            x = layer(x)
        elif not isinstance(layer, nn.Dropout):
            raise TypeError(f"the map is not defined for a head with {type(layer).__name__}")
    gradient = pneumonia_gradient(x)
    for step in reversed(back):
        gradient = step(gradient)
    return gradient


def _through_matrix(weight: Tensor, gradient: Tensor) -> Tensor:
    return gradient @ weight
