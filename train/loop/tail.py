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
        """Let these layers of the body rest and all others learn; call after ``train()``.

        A resting layer's batch statistics rest too.
        """
        for name, layer in self.body.named_children():
            layer.requires_grad_(name not in names)
            if name in names:
                layer.eval()


def body_layers(network: Classifier) -> list[str]:
    """Names of the body's layers, in order."""
    return [name for name, _ in network.body.named_children()]


def first_in_tail(network: Classifier, training: Training, fresh: Iterable[str]) -> int:
    """Index of the first layer that is trained at any time; see :class:`Tail`.

    Layers without pretrained weights cannot be frozen, so the frozen part ends before them.

    Raises
    ------
    RecipeError
        When the recipe names a layer that the body does not have.
    """
    if training.trainable == "all":
        return 0
    names, whole = body_layers(network), len(network.body) + bool(len(network.dense))
    starts = [
        _index(names, layer)
        for layer in (training.trainable, training.unfreeze_from)
        if layer not in ("head", "")
    ]
    starts += [names.index(name) if name in names else len(names) for name in fresh]
    return min([whole, *starts])


def resting(network: Classifier, training: Training, fresh: Iterable[str], epoch: int) -> list[str]:
    """Names of the body's layers that do not learn in this epoch, counted from 0."""
    if training.trainable == "all":
        return []
    names = body_layers(network)
    starts = [len(names) if training.trainable == "head" else _index(names, training.trainable)]
    if training.unfreeze_from and epoch >= training.unfreeze_after:
        starts.append(_index(names, training.unfreeze_from))
    starts += [names.index(name) for name in fresh if name in names]
    return names[: min(starts)]


def _index(names: list[str], layer: str) -> int:
    if layer not in names:
        raise RecipeError(
            f"The recipe trains from the layer {layer!r} on, and the body has none of that name. "
            f"Its layers: {', '.join(names)}."
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
