"""Batch statistics for networks with random weights.

Fresh ones (mean 0, variance 1) let activations fade or grow from layer to layer until all films
look alike, and a comparison of answers proves nothing.
"""

import torch
from torch import nn


def settle(network: nn.Module, size: int = 96) -> None:
    """Take the statistics of one batch of noise, then leave the network in evaluation mode."""
    normalisations = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in normalisations:
        layer.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.randn(4, 3, size, size))
    for layer in normalisations:
        layer.momentum = 0.1
    network.eval()
