"""The part of a network that is trained, and the features the frozen part before it gives it."""

import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from pneumonia.errors import RunError
from pneumonia.networks.cam import class_activation_map
from pneumonia.networks.classifier import Classifier
from train.dataset import Batches, EpochSampler, FilmSet, Key, Sample


class Tail(nn.Module):
    """The last layers of a body and the head; all of the network when nothing is frozen."""

    def __init__(self, network: Classifier, first: int) -> None:
        super().__init__()
        self.layers = network.body[first:]
        self.head = network.head

    def forward_with_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Films (N, 3, S, S) -> (N,) logits and their (N, h, w) maps; for an unfrozen network."""
        features = self.layers(x)
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits.squeeze(1), class_activation_map(features.float(), self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Films (N, 3, S, S), a feature map (N, C, h, w) or its average (N, C) -> (N,) logits."""
        features = self.layers(x)
        pooled = features.mean(dim=(2, 3)) if features.ndim == 4 else features
        logits: Tensor = self.head(pooled)
        return logits.squeeze(1)


def first_trainable(network: Classifier, trainable: str, fresh: Iterable[str]) -> int:
    """Index of the body's first trained layer: 0 for all, its length for the head alone.

    Layers without pretrained weights cannot be frozen, so the frozen part ends before them.
    """
    if trainable == "all":
        return 0
    names = [name for name, _ in network.body.named_children()]
    return min((names.index(name) for name in fresh), default=len(names))


class FeatureSet(Dataset[Sample]):
    """What the frozen layers say of each film, computed once per view and read from disk."""

    def __init__(self, features: NDArray[np.float16], targets: NDArray[np.float32]) -> None:
        self.features = features
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        features = self.features[epoch % len(self.features), index]
        x = torch.from_numpy(np.array(features, np.float32))
        return Sample.plain(x, torch.tensor(self.targets[index]))


def compute_features(
    network: Classifier,
    first: int,
    batches: Batches,
    views: int,
    path: Path,
    autocast: Callable[[], torch.autocast],
    advance: Callable[[int], None],
) -> FeatureSet:
    """Run the frozen layers over every film, ``views`` times, unless ``path`` holds it already.

    The file is float16 (views, n, C, h, w), or (views, n, C) averages when only the head trains.

    Parameters
    ----------
    batches
        Of a :class:`FilmSet`, in order; view v is what epoch v would have drawn.
    """
    films, sampler = batches.dataset, batches.sampler
    assert isinstance(films, FilmSet)
    assert isinstance(sampler, EpochSampler)
    if path.is_file():
        advance(views * len(films))
        return FeatureSet(np.load(path, mmap_mode="r"), films.targets)
    partial = path.with_suffix(".partial.npy")
    stored: NDArray[np.float16] | None = None
    for view in range(views):
        sampler.epoch = view
        at = 0
        for x, *_ in batches:
            values = _frozen(network, first, x, autocast)
            if stored is None:
                shape = (views, len(films), *values.shape[1:])
                _check_space(partial, 2 * math.prod(shape))
                stored = open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
            stored[view, at : at + len(values)] = values
            at += len(values)
            advance(len(values))
    del stored  # closes the file, with everything in it
    partial.replace(path)
    return FeatureSet(np.load(path, mmap_mode="r"), films.targets)


def _check_space(path: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed_bytes > free:
        raise RunError(
            f"The features of the frozen layers need {needed_bytes / 1e9:.1f} GB, and "
            f"{path.parent} has {free / 1e9:.1f} GB free. Make room, choose another --runs, or "
            "lower the recipe's views."
        )


@torch.inference_mode()
def _frozen(
    network: Classifier, first: int, x: Tensor, autocast: Callable[[], torch.autocast]
) -> NDArray[np.float16]:
    """(N, C, h, w) features after the first layers, or (N, C) when these are the whole body."""
    frozen = network.body[:first].eval()
    device = next(network.parameters()).device
    with autocast():
        features = frozen(x.to(device, memory_format=torch.channels_last))
    if first == len(network.body):
        features = features.mean(dim=(2, 3))
    values: NDArray[np.float16] = features.to("cpu", torch.float16).numpy()
    return values
