"""Frozen and trainable layers: which of a network learn, and when."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from pneumonia.errors import RecipeError
from pneumonia.networks.classifier import Classifier
from train.loop.optim import Part
from train.recipes.sections import Training


class TrainableLayers(nn.Module):
    """The last layers of a network, those that learn at some time; they share its weights.

    Parameters
    ----------
    first
        Index of the body's first trainable layer: 0 for the whole network. With the body's length
        training begins after the pooling; one more leaves the architecture's own dense layers out.
    with_map
        Whether :meth:`forward` gives the class activation map, too.
    """

    def __init__(self, network: Classifier, first: int, *, with_map: bool = False) -> None:
        super().__init__()
        self.layers = Classifier(
            network.body[first:],
            network.head,
            pool=network.pool,
            dense=network.dense if first <= len(network.body) else None,
        )
        self._with_map = with_map

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(N, K) outputs, and the (N, h, w) map in float32 or None.

        Parameters
        ----------
        x
            Images (N, 3, S, S), or what :func:`train.loop.features.frozen_part` makes of them: a
            feature map (N, C, h, w) or vectors (N, D).
        """
        if x.ndim != 4:
            return self.layers.forward_pooled(x), None
        features = self.layers.forward_features(x)
        outputs = self.layers.forward_head(features)
        return outputs, self.layers.map(features.float()) if self._with_map else None

    def freeze(self, names: Sequence[str]) -> None:
        """Freeze these layers and train all others; call after ``train()``.

        A frozen layer keeps its batch statistics, too, and its dropout is off.
        """
        for name, layer in _layers(self.layers):
            layer.requires_grad_(name not in names)
            if name in names:
                layer.eval()

    def part_of(self, parameter: str, new_layers: Iterable[str]) -> Part:
        """Which learning rate a parameter has, by its name in this module."""
        _, section, layer = parameter.split(".")[:3]
        if section == "head":
            return "head"
        return "new" if (section if section == "dense" else layer) in new_layers else "body"


def _layers(network: Classifier) -> list[tuple[str, nn.Module]]:
    """The body's layers in order, and after them the architecture's own dense ones as one."""
    dense = [("dense", network.dense)] if len(network.dense) else []
    return [*network.body.named_children(), *dense]


def first_trainable(network: Classifier, training: Training, new_layers: Iterable[str]) -> int:
    """Index of the first layer that is trained at any time; see :class:`TrainableLayers`.

    Layers without pretrained weights cannot be frozen, so the frozen part ends before them.

    Raises
    ------
    RecipeError
        When the recipe names a layer that the network does not have.
    """
    last_phase = training.unfreeze_after if training.unfreeze_from else 0
    return min(len(frozen_layers(network, training, new_layers, e)) for e in (0, last_phase))


def frozen_layers(
    network: Classifier, training: Training, new_layers: Iterable[str], epoch: int
) -> list[str]:
    """Names of the layers that do not learn in this epoch, counted from 0. Raises RecipeError."""
    if training.trainable == "all":
        return []
    names = [name for name, _ in _layers(network)]
    starts = [_index(names, training.trainable)]
    if training.unfreeze_from and epoch >= training.unfreeze_after:
        starts.append(_index(names, training.unfreeze_from))
    return names[: min([*starts, *(names.index(name) for name in new_layers)])]


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
