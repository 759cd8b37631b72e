"""Features of the frozen layers: computed once, kept on disk, read in batches."""

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
from pneumonia.networks.classifier import Classifier
from train.data.dataset import Key, RadiographDataset, Sample, Stratum
from train.data.datasets import Datasets
from train.data.sampling import EpochSampler, loader
from train.loop.device import Device
from train.recipes.recipe import Recipe
from train.reporter import Reporter

_BATCH_SIZE = 32  # radiographs through the frozen layers at once


class FeatureDataset(Dataset[Sample]):
    """Features of n radiographs in some views; epoch e reads view e, round and round."""

    def __init__(
        self, features: NDArray[np.float16], targets: NDArray[np.int64], strata: list[Stratum]
    ) -> None:
        self.features = features
        self.targets, self.strata = targets, strata

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> Sample:
        return Sample(*(part[0] for part in self.__getitems__([key])))

    def __getitems__(self, keys: list[Key]) -> Sample:
        """A whole batch at once: one by one, reading would take longer than learning."""
        views, indices = np.array(keys).T
        x = self.features[views % len(self.features), indices].astype(np.float32)
        n = len(keys)
        return Sample(
            torch.from_numpy(x),
            torch.from_numpy(self.targets[indices]),
            torch.zeros(n, 1, 1),
            torch.zeros(n, dtype=torch.bool),
        )


def keep_features(
    network: Classifier,
    first: int,
    recipe: Recipe,
    datasets: Datasets,
    device: Device,
    *,
    source: str,
    folder: Path,
    workers: int,
    reporter: Reporter,
) -> tuple[FeatureDataset, FeatureDataset]:
    """Training and validation features: what the layers before ``first`` give of the radiographs.

    Parameters
    ----------
    source
        What the radiographs are made from, in words; it tells kept features apart.
    folder
        Of the run. Features that are maps go there; vectors, which are small, go beside it into
        ``cache``, where other runs find them.
    """
    frozen, spec = frozen_part(network, first), recipe.network
    kept = folder if first < len(network.body) else folder.parent / "cache"
    layers = f"{spec.architecture} {spec.until} {first} {device} {digest_of(frozen)}"

    def features(side: str, radiographs: RadiographDataset) -> FeatureDataset:
        views = recipe.training.views if radiographs.augmentation is not None else 1
        key = cache_key(layers, f"{side} {source}", radiographs, views)
        path = kept / f"features-{side}-{key}.npy"
        with reporter.bar(f"features, {side}", views * len(radiographs)) as advance:
            return compute_features(frozen, radiographs, views, path, device, advance, workers)

    return features("training", datasets.train), features("validation", datasets.validation)


def compute_features(
    frozen: nn.Module,
    radiographs: RadiographDataset,
    views: int,
    path: Path,
    device: Device,
    advance: Callable[[int], None],
    workers: int = 0,
) -> FeatureDataset:
    """Features of every radiograph in each view; read from ``path`` where it is there already.

    The file is float16 (views, n, C, h, w), or (views, n, D) where the frozen layers end after the
    pooling. View v is what epoch v would have drawn.

    Parameters
    ----------
    frozen
        From images to features, as :func:`frozen_part` makes it.
    """
    if path.is_file():
        advance(views * len(radiographs))
        return _open(path, radiographs)
    partial = path.with_suffix(f".{uuid4().hex}.partial")  # two may be making the same
    try:
        _fill(partial, frozen, radiographs, views, device, advance, workers)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return _open(path, radiographs)


@torch.inference_mode()
def _fill(
    path: Path,
    frozen: nn.Module,
    radiographs: RadiographDataset,
    views: int,
    device: Device,
    advance: Callable[[int], None],
    workers: int,
) -> None:
    order = EpochSampler(len(radiographs))
    stored: NDArray[np.float16] | None = None
    for view in range(views):
        order.epoch = view
        at = 0
        for x, *_ in loader(radiographs, order, _BATCH_SIZE, workers):
            with device.autocast():
                features: Tensor = frozen(device.images(x))
            values = features.to("cpu", torch.float16).numpy()
            if stored is None:
                shape = (views, len(order), *values.shape[1:])
                _check_space(path, 2 * math.prod(shape))
                stored = open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            stored[view, at : at + len(values)] = values
            at += len(values)
            advance(len(values))


def _open(path: Path, radiographs: RadiographDataset) -> FeatureDataset:
    features = np.load(path, mmap_mode="r")
    if features.ndim == 3:  # vectors are few enough for memory
        features = np.array(features)
    return FeatureDataset(features, radiographs.targets, radiographs.strata)


def cache_key(layers: str, source: str, radiographs: RadiographDataset, views: int) -> str:
    """Hex name of the features that these layers give of these radiographs, seen in this way.

    Parameters
    ----------
    layers
        What the layers are: architecture, where they end, device, precision, weights.
    source
        What the radiographs are made from: their files, side of the split, the lung network.
    """
    augmentation = radiographs.augmentation
    said = {
        "version": 2,
        "layers": layers,
        "source": source,
        "preprocess": radiographs.spec.as_dict(),
        "augmentation": asdict(augmentation) if augmentation else None,
        "seed": radiographs.seed if augmentation else None,
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


def frozen_part(network: Classifier, first: int) -> nn.Module:
    """Images -> what the layers from ``first`` on take: a feature map, or pooled vectors."""
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
