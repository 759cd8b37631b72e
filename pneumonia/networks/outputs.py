"""What a network's K outputs say: the logit of pneumonia, and the one of its etiology.

K = 1 is one logit of pneumonia; K = 2 the logits of normal and pneumonia; K = 3 those of normal,
bacterial and viral pneumonia. For two and three they are a softmax's: pneumonia is all but the
first, so its log-odds are ``logsumexp(o[1:]) - o[0]``.
"""

import torch
from torch import Tensor


def pneumonia_logit(outputs: Tensor) -> Tensor:
    """(N, K) outputs -> (N,) log-odds of pneumonia; their sigmoid is its probability."""
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    return torch.logsumexp(outputs[:, 1:], dim=1) - outputs[:, 0]


def pneumonia_gradient(outputs: Tensor) -> Tensor:
    """(N, K) derivative of :func:`pneumonia_logit` with respect to the outputs."""
    if outputs.shape[1] == 1:
        return torch.ones_like(outputs)
    return torch.cat([-torch.ones_like(outputs[:, :1]), outputs[:, 1:].softmax(dim=1)], dim=1)


def viral_logit(outputs: Tensor) -> Tensor:
    """(N, 3) outputs -> (N,) log-odds that a pneumonia is viral, not bacterial."""
    return outputs[:, 2] - outputs[:, 1]
