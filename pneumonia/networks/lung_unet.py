"""A small U-Net that finds the lungs, and tells how the film lies and whether it is inverted.

Ronneberger et al. 2015 (U-Net) on the first stages of MobileNetV2 (Sandler et al. 2018). It looks
at the whole film squeezed into a square, so the film's shape does not matter to it.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

ARCHITECTURE = "unet-mobilenet-v2"
TURNS = 4  # quarter turns: upright, then 90, 180 and 270 degrees anticlockwise
# Where each scale of MobileNetV2's ``features`` ends: strides 2, 4, 8, 16, 32.
_SCALES = (2, 4, 7, 14, 18)
_CHANNELS = (16, 24, 32, 96, 320)
_WIDTHS = (24, 32, 48, 64)
FEATURES = _CHANNELS[-1] + _CHANNELS[-2]  # of texture and shape together


class LungOutputs(NamedTuple):
    """What the network says of N films.

    Attributes
    ----------
    lungs
        (N, S / 2, S / 2) logits: lung (heart included) or not.
    turned
        (N, 4) logits of the quarter turn the film lies in.
    inverted
        (N,) logits that bright and dark are exchanged.
    texture, shape
        (N, 96) and (N, 320) averages of the encoder's features at strides 16 and 32.
    """

    lungs: Tensor
    turned: Tensor
    inverted: Tensor
    texture: Tensor
    shape: Tensor


class LungUNet(nn.Module):
    """(N, 1, S, S) grey films in [-1, 1], S a multiple of 32 -> :class:`Look`."""

    def __init__(self) -> None:
        super().__init__()
        layers = list(mobilenet_v2(weights=None).features)
        starts = (0, *_SCALES[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*layers[a:b]) for a, b in zip(starts, _SCALES, strict=True)
        )
        before = (*_WIDTHS[1:], _CHANNELS[-1])
        self.joins = nn.ModuleList(
            _Join(deep, skip, width)
            for deep, skip, width in zip(before, _CHANNELS[:-1], _WIDTHS, strict=True)
        )
        self.outline = nn.Conv2d(_WIDTHS[0], 1, 1)
        self.pose = nn.Linear(FEATURES, TURNS + 1)

    def forward(self, x: Tensor) -> LungOutputs:
        x = x.expand(-1, 3, -1, -1)
        scales = []
        for stage in self.stages:
            x = stage(x)
            scales.append(x)
        texture, shape = (scale.mean(dim=(2, 3)) for scale in scales[-2:])
        for join, skip in zip(reversed(self.joins), reversed(scales[:-1]), strict=True):
            x = join(x, skip)
        pose = self.pose(torch.cat([texture, shape], dim=1))
        return LungOutputs(
            self.outline(x).squeeze(1), pose[:, :TURNS], pose[:, TURNS], texture, shape
        )


class _Join(nn.Module):
    """Twice the size, joined with the encoder's features there by a separable convolution."""

    def __init__(self, deep: int, skip: int, width: int) -> None:
        super().__init__()
        channels = deep + skip
        self.mix = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(inplace=True),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed: Tensor = self.mix(torch.cat([x, skip], dim=1))
        return mixed


def load_encoder(network: LungUNet, tensors: dict[str, Tensor]) -> None:
    """Start the encoder from MobileNetV2's weights under torchvision's names (``features.*``).

    Raises
    ------
    KeyError
        When a tensor of the encoder is missing.
    """
    starts = (0, *_SCALES[:-1])
    state = {}
    for name in network.stages.state_dict():
        stage, layer, rest = name.split(".", 2)
        source = f"{starts[int(stage)] + int(layer)}.{rest}"
        if not name.endswith("num_batches_tracked"):
            state[name] = tensors.get(f"features.{source}", tensors.get(source))
            if state[name] is None:
                raise KeyError(f"features.{source}")
    network.stages.load_state_dict(state, strict=False)


def fold_normalisation(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place, for evaluation.

    The answers stay the same but for rounding, and a quarter of the time is saved: in this network
    every such pair stands in an ``nn.Sequential``.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                convolution, normalisation = module[i], module[i + 1]
                if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(convolution, normalisation)
                    module[i + 1] = nn.Identity()
