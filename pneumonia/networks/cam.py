"""The class activation map, from the features of the one forward pass. No hooks, no autograd.

Zhou et al. 2016 (CAM) for a linear head; for dense layers with ReLU the gradient of the logit with
respect to the pooled features is the product of the layers' matrices with the inactive units left
out, which is what Grad-CAM (Selvaraju et al. 2017) obtains by backpropagation.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def class_activation_map(features: Tensor, head: nn.Sequential) -> Tensor:
    """What each place of the feature map adds to the logit.

    Parameters
    ----------
    features
        (N, C, h, w), the last feature map, before global average pooling.
    head
        Linear layers, ReLU and (inactive) dropout, from C values to one logit.

    Returns
    -------
    (N, h, w), in logits: the mean over places, plus the head's bias terms, is the logit. Grad-CAM
    is the positive part of this, divided by h * w.
    """
    weights = _logit_gradient(features.mean(dim=(2, 3)), head)
    return torch.einsum("nc,nchw->nhw", weights, features)


def _logit_gradient(pooled: Tensor, head: nn.Sequential) -> Tensor:
    """(N, C) gradient of the logit with respect to the pooled features, in evaluation mode."""
    back: list[Callable[[Tensor], Tensor]] = []
    x = pooled
    for layer in head:
        if isinstance(layer, nn.Linear):
            back.append(partial(_through_matrix, layer.weight))
            x = layer(x)
        elif isinstance(layer, nn.ReLU):
            back.append(partial(torch.mul, (x > 0).to(x.dtype)))
            x = layer(x)
        elif not isinstance(layer, nn.Dropout):
            raise TypeError(f"the map is not defined for a head with {type(layer).__name__}")
    gradient = torch.ones_like(x)
    for step in reversed(back):
        gradient = step(gradient)
    return gradient


def _through_matrix(weight: Tensor, gradient: Tensor) -> Tensor:
    return gradient @ weight
