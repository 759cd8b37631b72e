"""A training run from folder to bundle: films, network, loop, calibration, export."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.lung_segmenter import digest as lungs_digest
from pneumonia.analysis.predictor import choose_device
from pneumonia.errors import RunError
from pneumonia.networks.classifier import Classifier
from pneumonia.networks.pretrained import Loaded
from train.bundle import provenance
from train.bundle.export import Origins, Served, export, round_to_half
from train.bundle.serving import Server, serve, serve_perturbed
from train.data import manifest
from train.data.radiographs import Radiographs
from train.data.radiographs import load as load_radiographs
from train.data.splits import Division, divide
from train.data.squares import OnBadImage
from train.distributed import ALONE, Ranks
from train.loop import runlog
from train.loop.checkpoint import Progress
from train.loop.feed import Feed
from train.loop.fit import Device, Fit
from train.loop.initial import make_network
from train.loop.tail import Tail, first_in_tail, resting
from train.recipes.recipe import Recipe
from train.reporter import Reporter


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

    ``recipe`` names the architecture that was built, which torchvision's weights may have changed,
    and the mean and deviation that the films were normalised by.
    """

    recipe: Recipe
    options: Options
    network: Classifier
    initial: Loaded
    segmenter: LungSegmenter | None
    radiographs: Radiographs
    folder: Path
    reporter: Reporter
    ranks: Ranks


def start(
    recipe: Recipe, options: Options, runs: Path, reporter: Reporter, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """Train from the beginning. Returns the card of the bundle written to ``options.out``."""
    return _finish(_begin(recipe, options, runs, reporter, ranks))


def fit_only(recipe: Recipe, options: Options, runs: Path, reporter: Reporter) -> Progress:
    """Train without making a bundle, for a search. Returns the history and its best epoch."""
    return _train(_begin(recipe, options, runs, reporter, ALONE)).progress


def _begin(recipe: Recipe, options: Options, runs: Path, reporter: Reporter, ranks: Ranks) -> Run:
    division, segmenter = _divide(recipe, options), _segmenter(recipe, options)
    network, initial, recipe = _network(recipe, options, ranks)
    first_in_tail(network, recipe.training, initial.fresh)  # a wrong layer is told at once
    folder = runlog.create(runs, recipe.name) if ranks.leads else runs
    config = {
        "recipe": recipe.as_dict(),
        "options": asdict(options),
        "initial_weights": _identity(initial),
        "lungs": lungs_digest(options.lungs),
        "digest": None,
    }
    if ranks.leads:
        runlog.write_config(folder, config)
    folder = ranks.enter(folder, reporter)
    reporter.line(f"run {folder}: {recipe.title}")
    radiographs = _load(division, recipe, options, segmenter, runs / "cache", reporter, ranks)
    if ranks.leads:
        runlog.write_config(folder, config | {"digest": radiographs.digest})
    recipe = replace(recipe, preprocess=radiographs.train.spec)
    return Run(recipe, options, network, initial, segmenter, radiographs, folder, reporter, ranks)


def resume(
    folder: Path, changes: dict[str, Any], reporter: Reporter, ranks: Ranks = ALONE
) -> dict[str, Any]:
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
    division, segmenter = _divide(recipe, options), _segmenter(recipe, options)
    network, initial, recipe = _network(recipe, options, ranks)
    runlog.check_same(
        "initial weights", options.init_weights, _identity(initial), config["initial_weights"]
    )
    runlog.check_same("lung network", options.lungs, lungs_digest(options.lungs), config["lungs"])
    ranks.enter(folder, reporter)
    reporter.line(f"run {folder}: going on")
    radiographs = _load(
        division, recipe, options, segmenter, folder.parent / "cache", reporter, ranks
    )
    if config["digest"] is None and ranks.leads:  # it was cut off while it read them
        runlog.write_config(folder, config | {"digest": radiographs.digest})
    if config["digest"] is not None:
        runlog.check_same("films", options.data, radiographs.digest, config["digest"])
    recipe = replace(recipe, preprocess=radiographs.train.spec)
    return _finish(
        Run(recipe, options, network, initial, segmenter, radiographs, folder, reporter, ranks)
    )


def _identity(initial: Loaded) -> str:
    """What tells initial weights apart: a file's hash, or where else they are from."""
    return initial.sha256 or initial.source


def _network(recipe: Recipe, options: Options, ranks: Ranks) -> tuple[Classifier, Loaded, Recipe]:
    ranks.check(recipe.training.batch_size)
    with ranks.leader_first():  # initial weights may have to be fetched
        return make_network(recipe, options.init_weights, options.seed)


def _finish(run: Run) -> dict[str, Any]:
    """Train, and let the first process make the bundle, for whose card the others wait."""
    fit = _train(run)
    return run.ranks.agree(export_run(run, fit) if run.ranks.leads else {})


def _load(
    division: Division,
    recipe: Recipe,
    options: Options,
    segmenter: LungSegmenter | None,
    cache: Path,
    reporter: Reporter,
    ranks: Ranks,
) -> Radiographs:
    root = Path(options.data)
    return load_radiographs(
        root,
        division,
        recipe,
        segmenter,
        options.seed,
        cache,
        options.on_bad_image,
        reporter,
        ranks,
    )


def _divide(recipe: Recipe, options: Options) -> Division:
    radiographs = manifest.load(Path(options.data))
    pool = manifest.training_rows(radiographs, options.on_patient_overlap)
    return divide(pool, recipe.split, radiographs.split("test"))


def _segmenter(recipe: Recipe, options: Options) -> LungSegmenter | None:
    """The lung network that the run crops by and its bundle carries; None for ``none``."""
    if options.lungs == "none":
        if recipe.needs_lungs:
            raise RunError(
                f"The recipe {recipe.name} looks at the lungs. Give --lungs DIR with a lung "
                "network; flask train --recipe lungs makes one."
            )
        return None
    return LungSegmenter.load(Path(options.lungs))


def _train(run: Run) -> Fit:
    """Train to the end; in the first process the network then has the best epoch's weights."""
    recipe, network, initial, ranks = run.recipe, run.network, run.initial, run.ranks
    device = Device(choose_device(run.options.device), recipe.training.precision)
    ranks.adopt(network, device.name)
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = first_in_tail(network, recipe.training, initial.fresh)
    rest = partial(resting, network, recipe.training, initial.fresh)
    run.reporter.line(
        f"initial weights: {initial.source}; fresh: {', '.join((*initial.fresh, 'head'))}; "
        f"frozen: {', '.join(rest(0)) or 'nothing'}"
    )
    source = f"{run.radiographs.digest} {recipe.split} {lungs_digest(run.options.lungs)}"
    feed = Feed(network, recipe, first, device, run.options.workers, run.reporter, ranks)
    train, validation = feed.batches(run.radiographs, source, run.options.seed, run.folder)
    fit = Fit(
        Tail(network, first),
        initial.fresh,
        rest,
        recipe,
        train,
        validation,
        device=device,
        seed=run.options.seed,
        folder=run.folder,
        reporter=run.reporter,
        ranks=ranks,
    )
    fit.restore()
    if ranks.leads:
        _train_and_tell(run, fit)
    else:
        fit.run(lambda _: None)
    return fit


def _train_and_tell(run: Run, fit: Fit) -> None:
    """Run the loop; keep its history as it goes, and load its best epoch."""
    runlog.write_history(run.folder, fit.progress.history)
    events = runlog.EventLog(run.folder, fit.progress.epoch + 1, run.reporter)

    def after_epoch(progress: Progress) -> None:
        runlog.write_history(run.folder, progress.history)
        events.add(progress.history[-1])

    try:
        fit.run(after_epoch)
    finally:
        events.close()
    runlog.plot(run.folder, run.radiographs.counts(run.recipe.classes), run.reporter)
    fit.load_best()
    run.reporter.line(f"best epoch: {fit.progress.best_epoch}")
    for features in run.folder.glob("features-*.npy"):  # gigabytes, and made again if need be
        features.unlink()


def export_run(run: Run, fit: Fit) -> dict[str, Any]:
    """Calibrate on validation and write the bundle. Returns its card."""
    progress = fit.progress
    round_to_half(run.network)
    server = Server(run.network, run.segmenter, run.recipe.preprocess)
    squares, rows = run.radiographs.validation.radiographs.squares, run.radiographs.validation_rows
    outputs, maps = serve(server, squares, "calibration", run.reporter)
    perturbed = None
    if run.recipe.perturbed_radiographs:
        perturbed = serve_perturbed(server, rows, squares, run.reporter)
    origins = Origins(
        data=provenance.of_radiographs(run.radiographs.train_rows),
        data_digest=run.radiographs.digest,
        initial=run.initial,
        initial_weights=provenance.of_weights(run.initial),
        lungs=Path(run.options.lungs) if run.segmenter is not None else None,
        training=run.radiographs.train_rows,
        validation=run.radiographs.validation_rows,
        settings={
            "seed": run.options.seed,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "seconds": round(sum(epoch.seconds for epoch in progress.history), 1),
            "weights": progress.history[progress.best_epoch - 1].weights,
            "frozen": resting(
                run.network, run.recipe.training, run.initial.fresh, progress.best_epoch - 1
            ),
            "torch": str(torch.__version__),
        },
    )
    served = Served.of(outputs, maps, perturbed)
    return export(run.network, run.recipe, origins, served, Path(run.options.out))
