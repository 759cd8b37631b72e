"""torchvision's architectures as plain sequences of named layers."""

from collections import OrderedDict
from itertools import takewhile

from torch import nn
from torchvision.models import densenet, mobilenetv2, resnet, vgg

from pneumonia.networks.registry import Backbone, register


def until_pooling(network: nn.Module) -> nn.Sequential:
    """The layers of a torchvision network that runs its children in order, before ``avgpool``."""
    layers = takewhile(lambda layer: layer[0] != "avgpool", network.named_children())
    return nn.Sequential(OrderedDict(layers))


def _resnet(network: resnet.ResNet) -> Backbone:
    return Backbone(until_pooling(network), channels=network.fc.in_features)


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


# V1 are the weights that torchvision gave when the system that uses this network was published.
@register("resnext50_32x4d", imagenet="ResNeXt50_32X4D_Weights.IMAGENET1K_V1")
def resnext50_32x4d() -> Backbone:
    """Xie et al. 2017, 50 layers, 32 groups of 4 channels."""
    return _resnet(resnet.resnext50_32x4d(weights=None))


def _densenet(network: densenet.DenseNet) -> Backbone:
    layers = OrderedDict(network.features.named_children())
    # torchvision has it between the features and the average: the map needs what is averaged.
    layers["relu"] = nn.ReLU(inplace=True)
    return Backbone(nn.Sequential(layers), channels=network.classifier.in_features)


@register("densenet161", imagenet="DenseNet161_Weights.IMAGENET1K_V1")
def densenet161() -> Backbone:
    """Huang et al. 2017, 161 layers, growth rate 48."""
    return _densenet(densenet.densenet161(weights=None))


@register("densenet169", imagenet="DenseNet169_Weights.IMAGENET1K_V1")
def densenet169() -> Backbone:
    """Huang et al. 2017, 169 layers, growth rate 32."""
    return _densenet(densenet.densenet169(weights=None))


@register("vgg16", imagenet="VGG16_Weights.IMAGENET1K_V1")
def vgg16() -> Backbone:
    """Simonyan and Zisserman 2015, configuration D, with its two dense layers of 4096."""
    network = vgg.vgg16(weights=None)
    layers = OrderedDict(network.features.named_children())
    layers["avgpool"] = network.avgpool
    return Backbone(
        nn.Sequential(layers), channels=512, cells=(7, 7), dense=network.classifier[:-1]
    )


@register("mobilenet_v2", imagenet="MobileNet_V2_Weights.IMAGENET1K_V2")
def mobilenet_v2() -> Backbone:
    """Sandler et al. 2018."""
    network = mobilenetv2.mobilenet_v2(weights=None)
    return Backbone(network.features, channels=network.last_channel)
