"""GoogLeNet and Inception-v3, without their auxiliary classifiers.

torchvision's ImageNet weights of both want an input in [-1, 1]: the recipe's mean and deviation are
0.5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception as third
from torchvision.models.googlenet import googlenet as first

from pneumonia.networks.backbones import until_pooling
from pneumonia.networks.registry import Backbone, register


@register("googlenet", imagenet="GoogLeNet_Weights.IMAGENET1K_V1")
def googlenet() -> Backbone:
    """Szegedy et al. 2015, as in torchvision: batch normalisation, 3 x 3 for its 5 x 5."""
    network = first(weights=None, aux_logits=False, init_weights=True)
    return Backbone(until_pooling(network), channels=network.fc.in_features)


@register("inception_v3", imagenet="Inception_V3_Weights.IMAGENET1K_V1")
def inception_v3() -> Backbone:
    """Szegedy et al. 2016."""
    return _inception_v3(_new())


@register(
    "inception_v3-tf",
    imagenet="Inception_V3_Weights.IMAGENET1K_V1",
    imagenet_architecture="inception_v3",
)
def inception_v3_tf() -> Backbone:
    """Szegedy et al. 2016, as TensorFlow's release of 2015-12-05 computes it.

    There an average at the edge is that of the cells inside, without the padding's zeros, and the
    last block takes the maximum where the others average. The weights of that release belong to it.
    """
    network = _new()
    for name in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b"):
        block = getattr(network, f"Mixed_{name}")
        block.branch_pool = _PaddingLeftOut(block.branch_pool)
    last = _InceptionEOfMaxima(2048)
    last.load_state_dict(network.Mixed_7c.state_dict())
    network.Mixed_7c = last
    return _inception_v3(network)


def _new() -> third.Inception3:
    return third.inception_v3(weights=None, aux_logits=False, init_weights=True)


def _inception_v3(network: third.Inception3) -> Backbone:
    return Backbone(until_pooling(network), channels=network.fc.in_features)


class _PaddingLeftOut(nn.Module):
    """A block's convolution after its 3 x 3 average, which becomes one of the cells inside only.

    torchvision's average counts the padding as zeros; what it counted is undone here.
    """

    def __init__(self, branch_pool: third.BasicConv2d) -> None:
        super().__init__()
        self.conv, self.bn = branch_pool.conv, branch_pool.bn

    def forward(self, average: Tensor) -> Tensor:
        inside = F.avg_pool2d(torch.ones_like(average[:1, :1]), 3, stride=1, padding=1)
        return F.relu(self.bn(self.conv(average / inside)), inplace=True)


class _InceptionEOfMaxima(third.InceptionE):  # type: ignore[misc]  # torchvision is untyped
    """The block of 8 x 8 cells with maximum pooling in its last branch."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        wide = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(wide), self.branch3x3_2b(wide)], 1),
            torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1),
            self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1)),
        ]
