"""A training run from folder to bundle: films, network, loop, calibration, export."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import Dataset

from pneumonia.analysis.lungs import LungFinder
from pneumonia.analysis.lungs import digest as lungs_digest
from pneumonia.analysis.predictor import choose_device
from pneumonia.errors import RunError
from pneumonia.networks import pretrained, registry
from pneumonia.networks.classifier import Classifier, build
from pneumonia.networks.pretrained import Loaded
from train import manifest, provenance, runlog
from train.checkpoint import Progress
from train.dataset import Batches, EpochSampler, OnBadImage, Sample, loader
from train.export import Origins, Served, export, round_to_half
from train.films import Films
from train.films import load as load_films
from train.fit import Device, Fit
from train.manifest import Row
from train.recipe import Recipe
from train.reporter import Reporter
from train.serving import Server, serve, serve_stressed
from train.tail import Tail, compute_features, first_trainable


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides beside the recipe; kept in the run's configuration."""

    data: str
    out: str
    init_weights: str = "imagenet"  # a file, or "imagenet" (torchvision's), or "none"
    lungs: str = "none"  # folder of a lung network
    device: str = "auto"
    workers: int = 0
    seed: int = 0
    on_bad_image: OnBadImage = "stop"
    on_patient_overlap: Literal["stop", "drop", "keep"] = "stop"


@dataclass(frozen=True, slots=True)
class Run:
    """All that a run is made of, from its first epoch to its bundle.

    ``recipe`` names the architecture that was built, which torchvision's weights may have changed.
    """

    recipe: Recipe
    options: Options
    network: Classifier
    initial: Loaded
    finder: LungFinder | None
    films: Films
    folder: Path
    reporter: Reporter


def start(recipe: Recipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the card of the bundle written to ``options.out``."""
    sides, finder = _split(recipe, options), _finder(recipe, options)
    network, initial, recipe = make_network(recipe, options.init_weights, options.seed)
    folder = runlog.create(runs, recipe.name)
    config = {
        "recipe": recipe.as_dict(),
        "options": asdict(options),
        "initial_weights": initial.sha256,
        "lungs": lungs_digest(options.lungs),
        "digest": None,
    }
    runlog.write_config(folder, config)
    reporter.line(f"run {folder}: {recipe.title}")
    films = _load(sides, recipe, options, finder, runs / "cache", reporter)
    runlog.write_config(folder, config | {"digest": films.digest})
    return _train(Run(recipe, options, network, initial, finder, films, folder, reporter))


def resume(folder: Path, changes: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Go on with a run that was cut off, to the result it would have had.

    Parameters
    ----------
    changes
        Options that may differ without changing the result: ``device``, ``workers``, ``out``, and
        ``data`` and ``init_weights`` where those files have moved.

    Raises
    ------
    RunError
        When the folder is not a run's, or one of an earlier version, or films, initial weights or
        lung network are not those it began with.
    """
    config = runlog.read_config(folder)
    if not {"recipe", "options", "initial_weights", "lungs", "digest"} <= set(config):
        raise RunError(
            f"The run {folder} was made by an earlier version: its {runlog.CONFIG} does not say "
            "which lung network it began with. Start a new run."
        )
    recipe = Recipe.from_dict(config["recipe"])
    options = replace(Options(**config["options"]), **changes)
    sides, finder = _split(recipe, options), _finder(recipe, options)
    network, initial, recipe = make_network(recipe, options.init_weights, options.seed)
    runlog.check_same(
        "initial weights", options.init_weights, initial.sha256, config["initial_weights"]
    )
    runlog.check_same("lung network", options.lungs, lungs_digest(options.lungs), config["lungs"])
    reporter.line(f"run {folder}: going on")
    films = _load(sides, recipe, options, finder, folder.parent / "cache", reporter)
    if config["digest"] is None:  # it was cut off while it read them
        runlog.write_config(folder, config | {"digest": films.digest})
    else:
        runlog.check_same("films", options.data, films.digest, config["digest"])
    return _train(Run(recipe, options, network, initial, finder, films, folder, reporter))


def _load(
    sides: tuple[tuple[Row, ...], tuple[Row, ...]],
    recipe: Recipe,
    options: Options,
    finder: LungFinder | None,
    cache: Path,
    reporter: Reporter,
) -> Films:
    root = Path(options.data)
    return load_films(
        root, sides, recipe, finder, options.seed, cache, options.on_bad_image, reporter
    )


def _split(recipe: Recipe, options: Options) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    rows = manifest.training_rows(manifest.load(Path(options.data)), options.on_patient_overlap)
    return manifest.split_by_patient(rows, recipe.split.fraction, recipe.split.seed)


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


def _finder(recipe: Recipe, options: Options) -> LungFinder | None:
    """The lung network that the run crops by and its bundle carries; None for ``none``."""
    if options.lungs == "none":
        if recipe.needs_lungs:
            raise RunError(
                f"The recipe {recipe.name} looks at the lungs. Give --lungs DIR with a lung "
                "network; flask train --recipe lungs makes one."
            )
        return None
    return LungFinder.load(Path(options.lungs))


def _train(run: Run) -> dict[str, Any]:
    recipe, network, initial = run.recipe, run.network, run.initial
    device = Device(choose_device(run.options.device), recipe.training.precision)
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = first_trainable(network, recipe.training.trainable, initial.fresh)
    run.reporter.line(
        f"initial weights: {initial.source}; fresh: {', '.join((*initial.fresh, 'head'))}; "
        f"frozen: {', '.join(initial.layers) if first else 'nothing'}"
    )
    train, validation = _batches(run, first, device)
    fit = Fit(
        Tail(network, first),
        initial.fresh,
        recipe,
        train,
        validation,
        device=device,
        seed=run.options.seed,
        folder=run.folder,
        reporter=run.reporter,
    )
    fit.restore()
    runlog.write_history(run.folder, fit.progress.history)
    events = runlog.EventLog(run.folder, fit.progress.epoch + 1, run.reporter)

    def after_epoch(progress: Progress) -> None:
        runlog.write_history(run.folder, progress.history)
        events.add(progress.history[-1])

    try:
        fit.run(after_epoch)
    finally:
        events.close()
    runlog.plot(run.folder, run.reporter)
    fit.load_best()
    run.reporter.line(f"best epoch: {fit.progress.best_epoch}")
    card = _export(run, fit.progress)
    for features in run.folder.glob("features-*.npy"):  # gigabytes, and made again if need be
        features.unlink()
    return card


def _batches(run: Run, first: int, device: Device) -> tuple[Batches, Batches]:
    """Loaders of films, or of what the frozen layers make of them when there are any."""
    films, training, workers = run.films, run.recipe.training, run.options.workers
    each = training.films_per_epoch
    orders = (
        EpochSampler(
            len(films.train), run.options.seed, (films.train.targets, each) if each else None
        ),
        EpochSampler(len(films.validation)),
    )
    sets: list[Dataset[Sample]] = [films.train, films.validation]
    if first > 0:
        parts = ("training", films.train, training.views), ("validation", films.validation, 1)
        for i, (name, part, views) in enumerate(parts):
            with run.reporter.bar(f"features, {name}", views * len(part)) as advance:
                sets[i] = compute_features(
                    run.network,
                    first,
                    loader(part, EpochSampler(len(part)), 32, workers),
                    views,
                    run.folder / f"features-{name}.npy",
                    device.autocast,
                    advance,
                )
    return (
        loader(sets[0], orders[0], training.batch_size, workers),
        loader(sets[1], orders[1], 32, workers),
    )


def _export(run: Run, progress: Progress) -> dict[str, Any]:
    round_to_half(run.network)
    server = Server(run.network, run.finder, run.recipe.preprocess)
    squares, rows = run.films.validation.films.squares, run.films.validation_rows
    logits, maps = serve(server, squares, "calibration", run.reporter)
    stressed = serve_stressed(server, rows, squares, run.reporter)
    origins = Origins(
        data=provenance.of_films(run.films.train_rows),
        data_digest=run.films.digest,
        initial=run.initial,
        initial_weights=provenance.of_weights(run.initial),
        lungs=Path(run.options.lungs) if run.finder is not None else None,
        training=run.films.train_rows,
        validation=run.films.validation_rows,
        settings={
            "seed": run.options.seed,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "weights": progress.history[progress.best_epoch - 1].weights,
            "torch": str(torch.__version__),
        },
    )
    return export(
        run.network, run.recipe, origins, Served(logits, maps, stressed), Path(run.options.out)
    )
