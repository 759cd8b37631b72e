"""XrayChestNet_v1 (Montalico and Herrera 2022): three convolutions, trained from scratch.

The paper counts five convolutions in its section II-G, and three in its abstract, its results and
section III-A, which gives the size of each. We build the three; why is in
``docs/adr/0015-xraychestnet-as-three-convolutions.md``. Its dense layers (50, then two outputs) and
its dropout of 0.2 are the recipe's ``hidden``, ``outputs`` and ``dropout``.
"""

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from pneumonia.networks.registry import Backbone, register

_CHANNELS = (3, 10, 256, 512)
_KERNELS = (5, 3, 3)
_CELLS = (26, 26)  # of a 224-pixel input: 224 -> 220, 110 -> 108, 54 -> 52, 26


@register("xraychestnet")
def xraychestnet() -> Backbone:
    """Stride 1, no padding; batch normalisation, ReLU and 2 x 2 maxima after each convolution."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, ((before, after), kernel) in enumerate(
        zip(pairwise(_CHANNELS), _KERNELS, strict=True), start=1
    ):
        layers[f"conv{i}"] = nn.Conv2d(before, after, kernel)
        layers[f"bn{i}"] = nn.BatchNorm2d(after)
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
        layers[f"maxpool{i}"] = nn.MaxPool2d(2)
    # Changes nothing at 224 pixels; at another size the dense layers still fit.
    layers["avgpool"] = nn.AdaptiveAvgPool2d(_CELLS)
    return Backbone(nn.Sequential(layers), channels=_CHANNELS[-1], cells=_CELLS)
