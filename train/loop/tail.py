"""The part of a network that is trained: its last layers and the head, or all of it."""

import hashlib
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from pneumonia.errors import RecipeError
from pneumonia.networks.classifier import Classifier
from train.recipes.sections import Training


class Tail(Classifier):
    """The layers of a network from one of its body's on, sharing its weights.

    Parameters
    ----------
    first
        Index of the body's first layer in the tail: 0 for the whole network. With the body's
        length the tail begins after the pooling; one more leaves the architecture's own dense
        layers out too.
    """

    def __init__(self, network: Classifier, first: int) -> None:
        super().__init__(
            network.body[first:],
            network.head,
            pool=network.pool,
            dense=network.dense if first <= len(network.body) else None,
            auxiliary=dict(network.auxiliary.items()),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Films (N, 3, S, S), a feature map (N, C, h, w) or its pooled (N, D) -> (N, K) outputs."""
        return super().forward(x) if x.ndim == 4 else self.forward_pooled(x)

    def map(self, features: Tensor) -> Tensor:
        """As :meth:`Classifier.map`, in float32 whatever the features are computed in."""
        return super().map(features.float())

    def freeze(self, names: Sequence[str]) -> None:
        """Let these layers rest and all others learn; call after ``train()``.

        A resting layer's batch statistics rest too, and its dropout is off.
        """
        for name, layer in _layers(self):
            layer.requires_grad_(name not in names)
            if name in names:
                layer.eval()


def _layers(network: Classifier) -> list[tuple[str, nn.Module]]:
    """The body's layers in order, and after them the architecture's own dense ones as one."""
    dense = [("dense", network.dense)] if len(network.dense) else []
    return [*network.body.named_children(), *dense]


def first_in_tail(network: Classifier, training: Training, fresh: Iterable[str]) -> int:
    """Index of the first layer that is trained at any time; see :class:`Tail`.

    Layers without pretrained weights cannot be frozen, so the frozen part ends before them.

    Raises
    ------
    RecipeError
        When the recipe names a layer that the network does not have.
    """
    if training.trainable == "all":
        return 0
    names = [name for name, _ in _layers(network)]
    starts = [_index(names, training.trainable)]
    if training.unfreeze_from:
        starts.append(_index(names, training.unfreeze_from))
    return min([*starts, *(names.index(name) for name in fresh)])


def resting(network: Classifier, training: Training, fresh: Iterable[str], epoch: int) -> list[str]:
    """Names of the layers that do not learn in this epoch, counted from 0."""
    if training.trainable == "all":
        return []
    names = [name for name, _ in _layers(network)]
    starts = [_index(names, training.trainable)]
    if training.unfreeze_from and epoch >= training.unfreeze_after:
        starts.append(_index(names, training.unfreeze_from))
    return names[: min([*starts, *(names.index(name) for name in fresh)])]


def _index(names: list[str], layer: str) -> int:
    """Where training begins: at a layer, or after all of them for the head."""
    if layer == "head":
        return len(names)
    if layer not in names:
        raise RecipeError(
            f"The recipe trains from the layer {layer!r} on, and the network has none of that "
            f"name. Its layers: {', '.join(names)}."
        )
    return names.index(layer)


def frozen_part(network: Classifier, first: int) -> nn.Module:
    """Films -> what the tail from ``first`` on takes: a feature map, or pooled vectors."""
    parts: list[nn.Module] = [network.body[:first]]
    if first >= len(network.body):
        parts.append(network.pool)
    if first > len(network.body):
        parts.append(network.dense)
    return nn.Sequential(*parts).eval()


def digest_of(module: nn.Module) -> str:
    """SHA-256 (hex) over a module's parameters and buffers."""
    total = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
