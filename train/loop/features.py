"""What the frozen layers make of each film: computed once, kept on disk, read in batches."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from pneumonia.errors import RunError
from train.data.dataset import Batches, RadiographDataset, Sample, shares_of
from train.data.sampling import Key

Autocast = Callable[[], torch.autocast]


class FeatureSet(Dataset[Sample]):
    """Features of n films in some views; epoch e reads view e, and begins again after the last."""

    def __init__(self, features: NDArray[np.float16], targets: NDArray[np.int64]) -> None:
        self.features = features
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> Sample:
        return Sample(*(part[0] for part in self.__getitems__([key])))

    def __getitems__(self, keys: list[Key]) -> Sample:
        """A whole batch at once: film by film, reading would take longer than learning."""
        views, indices = np.array(keys).T
        x = self.features[views % len(self.features), indices].astype(np.float32)
        n = len(keys)
        return Sample(
            torch.from_numpy(x),
            torch.from_numpy(self.targets[indices]),
            torch.zeros(n, 1, 1),
            torch.zeros(n, dtype=torch.bool),
        )


def compute_features(
    frozen: nn.Module,
    batches: Batches,
    views: int,
    path: Path,
    autocast: Autocast,
    advance: Callable[[int], None],
) -> FeatureSet:
    """Run the frozen layers over every film, ``views`` times, unless ``path`` holds it already.

    The file is float16 (views, n, C, h, w), or (views, n, D) where they end after the pooling.

    Parameters
    ----------
    frozen
        From films to what the tail takes, as :func:`train.loop.tail.frozen_part` makes it.
    batches
        Of a :class:`RadiographDataset`, in order; view v is what epoch v would have drawn.
    """
    radiographs = batches.dataset
    assert isinstance(radiographs, RadiographDataset)
    if path.is_file():
        advance(views * len(radiographs))
        return _open(path, radiographs)
    partial = path.with_suffix(f".{uuid4().hex}.partial")  # two may be making the same
    try:
        _fill(partial, frozen, batches, views, autocast, advance)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return _open(path, radiographs)


def _fill(
    path: Path,
    frozen: nn.Module,
    batches: Batches,
    views: int,
    autocast: Autocast,
    advance: Callable[[int], None],
) -> None:
    order = shares_of(batches).sampler
    stored: NDArray[np.float16] | None = None
    for view in range(views):
        order.epoch = view
        at = 0
        for x, *_ in batches:
            values = _run(frozen, x, autocast)
            if stored is None:
                shape = (views, len(order), *values.shape[1:])
                _check_space(path, 2 * math.prod(shape))
                stored = open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            stored[view, at : at + len(values)] = values
            at += len(values)
            advance(len(values))


def _open(path: Path, radiographs: RadiographDataset) -> FeatureSet:
    features = np.load(path, mmap_mode="r")
    if features.ndim == 3:  # vectors are few enough for memory
        features = np.array(features)
    return FeatureSet(features, radiographs.targets)


def cache_key(layers: str, radiographs: str, part: RadiographDataset, views: int) -> str:
    """Hex name of the features that these layers give of these films, seen in this way.

    Parameters
    ----------
    layers
        What the layers are: architecture, where they end, weights, and what they compute in.
    radiographs
        What the films are made from: their files, their side of the split, the lung network.
    """
    said = {
        "version": 1,
        "layers": layers,
        "films": radiographs,
        "preprocess": part.spec.as_dict(),
        "augmentation": asdict(part.augmentation) if part.augmentation else None,
        "seed": part.seed if part.augmentation else None,
        "views": views,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _check_space(path: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed_bytes > free:
        raise RunError(
            f"The features of the frozen layers need {needed_bytes / 1e9:.1f} GB, and "
            f"{path.parent} has {free / 1e9:.1f} GB free. Make room, choose another --runs, or "
            "lower the recipe's views."
        )


@torch.inference_mode()
def _run(frozen: nn.Module, x: Tensor, autocast: Autocast) -> NDArray[np.float16]:
    device = next(frozen.parameters()).device
    with autocast():
        features = frozen(x.to(device, memory_format=torch.channels_last))
    values: NDArray[np.float16] = features.to("cpu", torch.float16).numpy()
    return values
