"""Xception (Chollet 2017): residual blocks of depthwise separable convolutions.

torchvision has none. Children carry the names of the PyTorch port of the author's weights, so that
files made for it load by name; see ``docs/adr/0014-xception-of-our-own.md``. Those weights want an
input of 299 pixels in [-1, 1].
"""

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn

from pneumonia.networks.registry import Backbone, register


@register("xception")
def xception() -> Backbone:
    """Chollet 2017, Figure 5, without the optional dense layers."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(3, 32, 3, stride=2, bias=False)
    layers["bn1"] = nn.BatchNorm2d(32)
    layers["relu1"] = nn.ReLU(inplace=True)
    layers["conv2"] = nn.Conv2d(32, 64, 3, bias=False)
    layers["bn2"] = nn.BatchNorm2d(64)
    layers["relu2"] = nn.ReLU(inplace=True)
    layers["block1"] = _Block(64, 128, 128, stride=2, relu_first=False)
    layers["block2"] = _Block(128, 256, 256, stride=2)
    layers["block3"] = _Block(256, 728, 728, stride=2)
    for number in range(4, 12):
        layers[f"block{number}"] = _Block(728, 728, 728, 728)
    layers["block12"] = _Block(728, 728, 1024, stride=2)
    layers["conv3"] = _SeparableConv2d(1024, 1536)
    layers["bn3"] = nn.BatchNorm2d(1536)
    layers["relu3"] = nn.ReLU(inplace=True)
    layers["conv4"] = _SeparableConv2d(1536, 2048)
    layers["bn4"] = nn.BatchNorm2d(2048)
    layers["relu4"] = nn.ReLU(inplace=True)
    return Backbone(nn.Sequential(layers), channels=2048)


class _SeparableConv2d(nn.Module):
    """3 x 3 in each channel, then 1 x 1 across them, nothing between."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
        self.pointwise = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.conv1(x))
        return y


class _Block(nn.Module):
    """ReLU, separable convolution and normalisation from width to width, beside a short cut.

    The short cut is a 1 x 1 convolution where the width changes.
    """

    def __init__(self, *widths: int, stride: int = 1, relu_first: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            # The first ReLU must leave the block's input as it is: the short cut takes it too.
            layers.append(nn.ReLU(inplace=bool(layers)))
            layers += [_SeparableConv2d(before, after), nn.BatchNorm2d(after)]
        if not relu_first:
            del layers[0]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers)
        self.skip = self.skipbn = None
        if widths[0] != widths[-1]:
            self.skip = nn.Conv2d(widths[0], widths[-1], 1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rep(x)
        if self.skip is not None and self.skipbn is not None:
            x = self.skipbn(self.skip(x))
        return y + x
