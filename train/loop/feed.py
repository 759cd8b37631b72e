"""What the loop is fed: films, or what the frozen layers make of them."""

from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset

from pneumonia.networks.classifier import Classifier
from train.data.dataset import Batches, RadiographDataset, Sample, loader
from train.data.radiographs import Radiographs
from train.data.sampling import EpochSampler
from train.distributed import ALONE, Ranks
from train.loop.features import FeatureSet, cache_key, compute_features
from train.loop.fit import Device
from train.loop.tail import digest_of, frozen_part
from train.recipes.recipe import Recipe
from train.reporter import Reporter

_TOGETHER = 32  # films through frozen layers or to validation at once
_VECTORS_TOGETHER = 512


@dataclass(frozen=True, slots=True)
class Feed:
    """Makes the loaders of a run.

    ``first`` is the index of the first layer that is trained; see :class:`train.loop.tail.Tail`.
    """

    network: Classifier
    recipe: Recipe
    first: int
    device: Device
    workers: int
    reporter: Reporter
    ranks: Ranks = ALONE

    def batches(
        self, radiographs: Radiographs, source: str, seed: int, folder: Path
    ) -> tuple[Batches, Batches]:
        """Loaders of training and validation samples.

        Parameters
        ----------
        source
            What the films are made from, in words; with it, kept features are told apart.
        folder
            Of the run. Features that are maps go there; vectors, which are small, go beside it
            into ``cache``, where other runs find them.
        """
        training = self.recipe.training
        order = EpochSampler(
            len(radiographs.train),
            seed,
            radiographs.train.targets,
            training.sampling,
            training.samples_per_epoch,
        )
        in_order, place = EpochSampler(len(radiographs.validation)), self.ranks.place
        if self.first == 0:
            return (
                loader(radiographs.train, order, training.batch_size, self.workers, place),
                loader(radiographs.validation, in_order, _TOGETHER, self.workers, place),
            )
        train: Dataset[Sample] = self._features(radiographs.train, "training", source, folder)
        validation = self._features(radiographs.validation, "validation", source, folder)
        return (
            loader(train, order, training.batch_size, 0, place),
            loader(validation, in_order, _VECTORS_TOGETHER, 0, place),
        )

    def _features(
        self, part: RadiographDataset, name: str, source: str, folder: Path
    ) -> FeatureSet:
        views = self.recipe.training.views if part.augmentation is not None else 1
        frozen = frozen_part(self.network, self.first)
        layers = f"{self.recipe.network.architecture} {self.recipe.network.until} {self.first} "
        layers += f"{self.device} {digest_of(frozen)}"
        key = cache_key(layers, f"{name} {source}", part, views)
        maps = self.first < len(self.network.body)
        kept = folder if maps else folder.parent / "cache"
        bar = self.reporter.bar(f"features, {name}", views * len(part))
        with self.ranks.leader_first(), bar as advance:
            return compute_features(
                frozen,
                loader(part, EpochSampler(len(part)), _TOGETHER, self.workers),
                views,
                kept / f"features-{name}-{key}.npy",
                self.device.autocast,
                advance,
            )
