"""A backbone, global average pooling and a small head: film in, one logit of pneumonia out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pneumonia.networks import backbones, registry  # noqa: F401  (backbones registers its entries)
from pneumonia.networks.cam import class_activation_map


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What is needed to build a network again; the card carries it.

    Attributes
    ----------
    architecture
        A name in the registry.
    hidden
        Widths of the dense layers (each with ReLU) between pooling and the logit.
    dropout
        Probability, before the last linear layer.
    """

    architecture: str
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0


class Classifier(nn.Module):
    """Features, then a head of linear layers and ReLU over their global average."""

    def __init__(self, body: nn.Sequential, head: nn.Sequential) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) normalised input -> (N, C, h, w) last feature map."""
        features: Tensor = self.body(x)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) feature map -> (N,) logits of pneumonia."""
        return self.forward_pooled(features.mean(dim=(2, 3)))

    def forward_pooled(self, pooled: Tensor) -> Tensor:
        """(N, C) averaged features -> (N,) logits of pneumonia."""
        logits: Tensor = self.head(pooled)
        return logits.squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One pass: (N,) logits and the (N, h, w) class activation map, in logits."""
        features = self.forward_features(x)
        return self.forward_head(features), class_activation_map(features, self.head)


def build(spec: NetworkSpec) -> Classifier:
    """A network with fresh weights.

    Raises
    ------
    UnknownArchitecture
        When the registry has no such name.
    """
    backbone = registry.entry(spec.architecture).make()
    return Classifier(backbone.body, _head(backbone.channels, spec.hidden, spec.dropout))


def _head(channels: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    widths = (channels, *hidden)
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(widths[-1], 1))
