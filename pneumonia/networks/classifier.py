"""A backbone, pooling and a small head: film in, K outputs and the map of pneumonia out."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from pneumonia.errors import UnknownArchitecture
from pneumonia.networks import (  # noqa: F401  (the architectures register their entries)
    backbones,
    inception,
    registry,
    xception,
    xraychestnet,
)
from pneumonia.networks.cam import GlobalAverage, class_activation_map
from pneumonia.networks.outputs import pneumonia_logit, viral_logit
from pneumonia.networks.registry import Backbone
from pneumonia.networks.spec import NetworkSpec

_TRIAL_PIXELS = 96  # no architecture here needs more to reach its last layer


class Classifier(nn.Module):
    """Features, then linear layers and ReLU over their global average or over all their cells.

    Attributes
    ----------
    body
        Input to feature map, in named layers.
    pool
        :class:`GlobalAverage` or ``nn.Flatten``.
    dense, head
        The architecture's own dense layers, often none; and ours, the last with K outputs.
    left_out
        Names of the architecture's layers past the end of a cut body.
    """

    def __init__(
        self,
        body: nn.Sequential,
        head: nn.Sequential,
        *,
        pool: nn.Module | None = None,
        dense: nn.Sequential | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.body = body
        self.pool = pool or GlobalAverage()
        self.dense = nn.Sequential() if dense is None else dense
        self.head = head
        self.left_out = tuple(left_out)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) normalised input -> (N, C, h, w) last feature map."""
        features: Tensor = self.body(x)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) feature map -> (N, K) outputs."""
        return self.forward_pooled(self.pool(features))

    def forward_pooled(self, pooled: Tensor) -> Tensor:
        """(N, D) averaged or flattened features -> (N, K) outputs."""
        outputs: Tensor = self.head(self.dense(pooled))
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) normalised input -> (N, K) outputs; see :mod:`.outputs`."""
        return self.forward_head(self.forward_features(x))

    def forward_with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One pass: (N, K) outputs and the (N, h, w) map of the pneumonia logit, in logits."""
        features = self.forward_features(x)
        return self.forward_head(features), self.map(features)

    def map(self, features: Tensor) -> Tensor:
        """(N, C, h, w) feature map -> (N, h, w) class activation map of the pneumonia logit."""
        return class_activation_map(features, self.pool, [*self.dense, *self.head])


class Reader(nn.Module):
    """What is read off a classifier's feature map: the last step of every pass."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, C, h, w) features -> (N,) logits of pneumonia, and the (N, h, w) map in logits.

        A network of three outputs adds (N,) logits that a pneumonia is viral.
        """
        outputs = self.network.forward_head(features)
        viral = (viral_logit(outputs),) if outputs.shape[1] == 3 else ()
        return pneumonia_logit(outputs), self.network.map(features), *viral


def build(spec: NetworkSpec) -> Classifier:
    """A network with random weights.

    Raises
    ------
    UnknownArchitecture
        When the registry has no such name, or the architecture no layer ``until``.
    """
    backbone = registry.entry(spec.architecture).make()
    layers = [name for name, _ in backbone.body.named_children()]
    if spec.until:
        backbone = _cut(backbone, spec)
    return Classifier(
        backbone.body,
        _head(_width(backbone), spec),
        pool=nn.Flatten() if backbone.cells else GlobalAverage(),
        dense=backbone.dense,
        left_out=layers[len(backbone.body) :],
    )


def _cut(backbone: Backbone, spec: NetworkSpec) -> Backbone:
    """The backbone up to and with the layer ``until``, its features averaged."""
    layers = [name for name, _ in backbone.body.named_children()]
    if spec.until not in layers:
        raise UnknownArchitecture(
            f"The architecture {spec.architecture} has no layer {spec.until!r} to end with. Its "
            f"layers: {', '.join(layers)}."
        )
    kept = layers[: layers.index(spec.until) + 1]
    body = backbone.body[: len(kept)]
    return replace(
        backbone,
        body=body,
        channels=_channels(body),
        cells=None,
        dense=nn.Sequential(),
    )


@torch.no_grad()
def _channels(body: nn.Sequential) -> int:
    """Channels of a body's output. In evaluation mode no batch statistics change."""
    body.eval()
    channels = int(body(torch.zeros(1, 3, _TRIAL_PIXELS, _TRIAL_PIXELS)).shape[1])
    body.train()
    return channels


def _width(backbone: Backbone) -> int:
    """Values that reach our own layers."""
    linear = [layer for layer in backbone.dense if isinstance(layer, nn.Linear)]
    if linear:
        return linear[-1].out_features
    height, width = backbone.cells or (1, 1)
    return backbone.channels * height * width


def _head(features: int, spec: NetworkSpec) -> nn.Sequential:
    layers: list[nn.Module] = []
    widths: Sequence[int] = (features, *spec.hidden)
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(spec.dropout), nn.Linear(widths[-1], spec.outputs))
