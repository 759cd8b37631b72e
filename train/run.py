"""A training run from folder to bundle: films, network, loop, calibration, export."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pneumonia.analysis.predictor import choose_device
from pneumonia.errors import RunError
from pneumonia.networks import pretrained, registry
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.pretrained import Loaded
from train import manifest, provenance, runlog
from train import recipe as recipes
from train.checkpoint import Progress
from train.dataset import Batches, EpochSampler, FilmSet, OnBadImage, load_squares, loader
from train.export import Origins, export, round_to_half
from train.fit import Device, Fit
from train.manifest import Row
from train.recipe import Recipe
from train.reporter import Reporter
from train.tail import Tail, compute_features, first_trainable


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides beside the recipe; kept in the run's configuration."""

    data: str
    out: str
    init_weights: str = "imagenet"  # a file, or "imagenet" (torchvision's), or "none"
    device: str = "auto"
    workers: int = 0
    seed: int = 0
    on_bad_image: OnBadImage = "stop"
    on_patient_overlap: Literal["stop", "drop", "keep"] = "stop"


@dataclass(frozen=True, slots=True)
class Films:
    """Decoded training and validation films, and the hash of the folder they came from."""

    train_rows: tuple[Row, ...]
    train: FilmSet
    validation_rows: tuple[Row, ...]
    validation: FilmSet
    digest: str


def start(recipe: Recipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the card of the bundle written to ``options.out``."""
    rows = manifest.training_rows(manifest.load(Path(options.data)), options.on_patient_overlap)
    sides = manifest.split_by_patient(rows, recipe.split.fraction, recipe.split.seed)
    network, initial, recipe = make_network(recipe, options.init_weights, options.seed)
    folder = runlog.create(runs, recipe.name)
    config = {
        "recipe": recipe.as_dict(),
        "options": asdict(options),
        "initial_weights": initial.sha256,
        "digest": None,
    }
    runlog.write_config(folder, config)
    reporter.line(f"run {folder}: {recipe.title}")
    films = _load_films(sides, recipe, options, runs / "cache", reporter)
    runlog.write_config(folder, config | {"digest": films.digest})
    return _train(network, initial, recipe, options, films, folder, reporter)


def resume(folder: Path, changes: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Go on with a run that was cut off, to the result it would have had.

    Parameters
    ----------
    changes
        Options that may differ without changing the result: ``device``, ``workers``, ``data`` and
        ``init_weights`` (moved files).

    Raises
    ------
    RunError
        When the folder is not a run's, or films or initial weights are not those it began with.
    """
    config = runlog.read_config(folder)
    recipe = Recipe.from_dict(config["recipe"])
    options = replace(Options(**config["options"]), **changes)
    rows = manifest.training_rows(manifest.load(Path(options.data)), options.on_patient_overlap)
    sides = manifest.split_by_patient(rows, recipe.split.fraction, recipe.split.seed)
    network, initial, recipe = make_network(recipe, options.init_weights, options.seed)
    if initial.sha256 != config["initial_weights"]:
        raise RunError(
            f"The initial weights {options.init_weights} are not those this run was started with "
            "(their hash differs). Give the same file, or start a new run."
        )
    reporter.line(f"run {folder}: going on")
    films = _load_films(sides, recipe, options, folder.parent / "cache", reporter)
    runlog.write_config(folder, config | {"digest": config["digest"] or films.digest})
    if films.digest != (config["digest"] or films.digest):
        raise RunError(
            f"The films under {options.data} are not those this run was started on (their hash "
            "differs). Restore them, or start a new run."
        )
    return _train(network, initial, recipe, options, films, folder, reporter)


def make_network(recipe: Recipe, init_weights: str, seed: int) -> tuple[Classifier, Loaded, Recipe]:
    """Build the recipe's network and give it its initial weights.

    torchvision's weights may belong to a sister architecture; the recipe returned names the one
    that was built.
    """
    torch.manual_seed(seed)
    entry = registry.entry(recipe.network.architecture)
    if init_weights == "imagenet":
        entry = registry.entry(entry.imagenet_architecture)
        recipe = replace(recipe, network=replace(recipe.network, architecture=entry.name))
    network = build(recipe.network)
    if init_weights == "none":
        layers = tuple(name for name, part in network.body.named_children() if part.state_dict())
        return network, Loaded("none", (), layers), recipe
    if init_weights == "imagenet":
        return network, pretrained.load_imagenet(network, entry), recipe
    return network, pretrained.load_file(network, Path(init_weights)), recipe


def _load_films(
    sides: tuple[tuple[Row, ...], tuple[Row, ...]],
    recipe: Recipe,
    options: Options,
    cache: Path,
    reporter: Reporter,
) -> Films:
    loaded = []
    for rows, name in zip(sides, ("training", "validation"), strict=True):
        with reporter.bar(f"reading {name} films", len(rows)) as advance:
            loaded.append(
                load_squares(
                    rows, recipe.preprocess, cache, options.on_bad_image, advance, reporter.warn
                )
            )
    (train_rows, train), (validation_rows, validation) = loaded
    both = manifest.Manifest(Path(options.data), train_rows + validation_rows)
    spec = recipe.preprocess
    return Films(
        train_rows,
        FilmSet(train_rows, train, spec, recipe.augmentation, options.seed),
        validation_rows,
        FilmSet(validation_rows, validation, spec),
        both.digest(),
    )


def _train(
    network: Classifier,
    initial: Loaded,
    recipe: Recipe,
    options: Options,
    films: Films,
    folder: Path,
    reporter: Reporter,
) -> dict[str, Any]:
    device = Device(choose_device(options.device), recipe.training.precision)
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = first_trainable(network, recipe.training.trainable, initial.fresh)
    reporter.line(
        f"initial weights: {initial.source}; fresh: {', '.join((*initial.fresh, 'head'))}; "
        f"frozen: {', '.join(initial.layers) if first else 'nothing'}"
    )
    train, validation = _batches(network, first, recipe, options, films, device, folder, reporter)
    fit = Fit(
        Tail(network, first),
        initial.fresh,
        recipe,
        train,
        validation,
        device=device,
        seed=options.seed,
        folder=folder,
        reporter=reporter,
    )
    fit.restore()
    runlog.write_history(folder, fit.progress.history)
    events = runlog.EventLog(folder, fit.progress.epoch + 1, reporter)

    def after_epoch(progress: Progress) -> None:
        runlog.write_history(folder, progress.history)
        events.add(progress.history[-1])

    try:
        fit.run(after_epoch)
    finally:
        events.close()
    runlog.plot(folder, reporter)
    fit.load_best()
    reporter.line(f"best epoch: {fit.progress.best_epoch}")
    card = _export(network, initial, recipe, options, films, fit.progress, reporter)
    for features in folder.glob("features-*.npy"):  # gigabytes, and made again if need be
        features.unlink()
    return card


def _batches(
    network: Classifier,
    first: int,
    recipe: Recipe,
    options: Options,
    films: Films,
    device: Device,
    folder: Path,
    reporter: Reporter,
) -> tuple[Batches, Batches]:
    """Loaders of films, or of what the frozen layers make of them when there are any."""
    size, workers = recipe.training.batch_size, options.workers
    orders = EpochSampler(len(films.train), options.seed), EpochSampler(len(films.validation))
    sets: list[Dataset[tuple[Tensor, Tensor]]] = [films.train, films.validation]
    if first > 0:
        parts = (
            ("training", films.train, recipe.training.views),
            ("validation", films.validation, 1),
        )
        for i, (name, part, views) in enumerate(parts):
            with reporter.bar(f"features, {name}", views * len(part)) as advance:
                sets[i] = compute_features(
                    network,
                    first,
                    loader(part, EpochSampler(len(part)), 32, workers),
                    views,
                    folder / f"features-{name}.npy",
                    device.autocast,
                    advance,
                )
    return loader(sets[0], orders[0], size, workers), loader(sets[1], orders[1], 32, workers)


def _export(
    network: Classifier,
    initial: Loaded,
    recipe: Recipe,
    options: Options,
    films: Films,
    progress: Progress,
    reporter: Reporter,
) -> dict[str, Any]:
    round_to_half(network)
    logits, maps = _serve(network, films.validation, reporter)
    origins = Origins(
        data=provenance.of_films(films.train_rows),
        data_digest=films.digest,
        initial=initial,
        initial_weights=provenance.of_weights(initial),
        training=films.train_rows,
        validation=films.validation_rows,
        settings={
            "seed": options.seed,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "weights": progress.history[progress.best_epoch - 1].weights,
            "torch": str(torch.__version__),
        },
    )
    return export(network, recipe, origins, logits, maps, Path(options.out))


@torch.inference_mode()
def _serve(
    network: Classifier, films: FilmSet, reporter: Reporter
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Logits and maps in float32 with the weights as shipped: what serving will compute."""
    network.eval()
    device = next(network.parameters()).device
    logits, maps = [], []
    with reporter.bar("calibration", len(films)) as advance:
        for x, _ in loader(films, EpochSampler(len(films)), 32, 0):
            x = x.to(device, memory_format=torch.channels_last)
            batch_logits, batch_maps = network.forward_with_map(x)
            logits.append(batch_logits.double().cpu().numpy())
            maps.append(batch_maps.float().cpu().numpy())
            advance(len(x))
    return np.concatenate(logits), np.concatenate(maps)


def load_recipe(name: str, epochs: int | None, batch_size: int | None) -> Recipe:
    """A recipe with the command line's overrides. Raises RecipeError."""
    return recipes.load(name).with_options(epochs, batch_size)
