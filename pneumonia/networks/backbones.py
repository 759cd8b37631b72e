"""torchvision's architectures as plain sequences of named layers."""

from collections import OrderedDict

from torch import nn
from torchvision.models import resnet

from pneumonia.networks.registry import Backbone, register

_RESNET_LAYERS = (
    "conv1",
    "bn1",
    "relu",
    "maxpool",
    "layer1",
    "layer2",
    "layer3",
    "layer4",
)


def _resnet(network: resnet.ResNet) -> Backbone:
    layers = OrderedDict((name, getattr(network, name)) for name in _RESNET_LAYERS)
    return Backbone(nn.Sequential(layers), channels=network.fc.in_features)


@register("resnet18", imagenet="ResNet18_Weights.IMAGENET1K_V1")
def resnet18() -> Backbone:
    """He et al. 2016, 18 layers."""
    return _resnet(resnet.resnet18(weights=None))


@register("resnet50", imagenet="ResNet50_Weights.IMAGENET1K_V2")
def resnet50() -> Backbone:
    """He et al. 2016, 50 layers, as in torchvision: stride on the 3 x 3 convolution ("v1.5")."""
    return _resnet(resnet.resnet50(weights=None))


@register(
    "resnet50-v1",
    imagenet="ResNet50_Weights.IMAGENET1K_V2",
    imagenet_architecture="resnet50",
)
def resnet50_v1() -> Backbone:
    """He et al. 2016, 50 layers, as published: stride on the first 1 x 1 convolution.

    The ImageNet weights of the authors and of Keras belong to this placement.
    """
    network = resnet.resnet50(weights=None)
    for stage in (network.layer2, network.layer3, network.layer4):
        first = stage[0]
        first.conv1.stride, first.conv2.stride = first.conv2.stride, first.conv1.stride
    return _resnet(network)
