"""A classifier's run from folder to bundle: radiographs, network, loop, calibration, export."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from pneumonia.analysis.engines.candidates import choose_device
from pneumonia.analysis.engines.pytorch import load_segmenter
from pneumonia.analysis.lung_card import digest as lungs_digest
from pneumonia.errors import RunError
from train import ddp
from train.bundle import lungs, provenance
from train.bundle.export import Origins, Served, export, round_to_half
from train.bundle.serving import Server, serve, serve_perturbed
from train.data import manifest
from train.data.datasets import Datasets, Reader
from train.data.datasets import load as load_datasets
from train.data.splits import divide
from train.data.squares import OnBadImage
from train.evaluate.radiograph_plots import plot_class_counts
from train.initial import make_network
from train.loop import runlog
from train.loop.checkpoint import Progress
from train.loop.classifier import ClassifierTask, SampleSet
from train.loop.device import Device
from train.loop.features import keep_features
from train.loop.fit import fit
from train.loop.frozen import first_trainable, frozen_layers
from train.loop.history_plots import plot_history
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
    dataset: str = ""  # what the data is: a name that ships, or a file; see train.data.declaration


def start(recipe: Recipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the card of the bundle written to ``options.out``."""
    run = Run(recipe, options, reporter)
    return run.finish(run.begin(runs))


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
    options = replace(Options(**config["options"]), **changes)
    run = Run(Recipe.from_dict(config["recipe"]), options, reporter)
    reporter.line(f"run {folder}: going on")
    return run.finish(folder)


class Run:
    """A classifier's run: what it begins with is checked before anything is written.

    The recipe's architecture may become the sister that torchvision's weights belong to.

    Raises
    ------
    RunError, RecipeError, DataError, ModelError
        For whatever of the recipe, the radiographs, the lung network or the initial weights cannot
        be used.
    """

    def __init__(self, recipe: Recipe, options: Options, reporter: Reporter) -> None:
        batch_size, processes = recipe.training.batch_size, ddp.world_size()
        if batch_size < processes:
            raise RunError(
                f"A batch of {batch_size} films cannot be shared among {processes} processes. "
                "Start fewer of them, or give a larger --batch-size."
            )
        if recipe.needs_lungs and options.lungs == "none":
            raise RunError(
                f"The recipe {recipe.name} looks at the lungs. Give --lungs DIR with a lung "
                "network; flask train --recipe lungs makes one."
            )
        radiographs = manifest.load(Path(options.data), options.dataset)
        pool = manifest.training_rows(radiographs, options.on_patient_overlap)
        self._declaration, self._names_patients = (
            radiographs.declaration,
            radiographs.names_patients,
        )
        if not radiographs.names_patients:
            reporter.warn(manifest.NO_PATIENTS)
        self._division = divide(pool, recipe.split, radiographs.split("test"))
        self._segmenter = None
        if options.lungs != "none":
            self._segmenter = load_segmenter(Path(options.lungs), choose_device(options.device))
        with ddp.main_first():  # initial weights may have to be fetched
            network, weights, recipe = make_network(recipe, options.init_weights, options.seed)
        # A layer that is not there is told at once.
        self._first = first_trainable(network, recipe.training, weights.new_layers)
        self._recipe, self._options, self._reporter = recipe, options, reporter
        self._network, self._weights = network, weights

    def begin(self, runs: Path) -> Path:
        """Make the run's folder under ``runs``."""
        folder = runlog.create(runs, Path(self._options.out).name)
        config = {"recipe": self._recipe.as_dict(), "options": asdict(self._options), "inputs": {}}
        runlog.write_config(folder, config)
        self._reporter.line(f"run {folder}: {self._recipe.title}")
        return folder

    def finish(self, folder: Path) -> dict[str, Any]:
        """Train to the end, and make the bundle in the main process, for whose card all wait."""
        advice, processes = "", ddp.world_size()
        if processes > 1:
            command = f"torchrun --standalone --nproc-per-node {processes} -m train"
            advice = f"Every finished epoch is kept. Go on with: {command} --resume {folder}"
            self._reporter.line(f"{processes} processes share each batch. {advice}")
        with ddp.naming_a_lost_process(advice):
            datasets, progress = self.train(folder)
            if ddp.is_main():
                plot_history(folder / runlog.HISTORY, folder)
                plot_class_counts(datasets.class_counts(), folder / "classes")
            return ddp.broadcast(self._export(datasets, progress) if ddp.is_main() else {})

    def train(self, folder: Path) -> tuple[Datasets, Progress]:
        """Train from where ``folder`` stands; the network then has the best epoch's weights."""
        recipe, options, reporter = self._recipe, self._options, self._reporter
        new_layers, workers = self._weights.new_layers, options.workers
        datasets = self._read(folder)
        device = Device.choose(options.device, recipe.training.precision)
        network = device.place(self._network)
        train: SampleSet = datasets.train
        validation: SampleSet = datasets.validation
        frozen = ", ".join(frozen_layers(network, recipe.training, new_layers, 0))
        reporter.line(
            f"initial weights: {self._weights.source}; "
            f"new: {', '.join((*new_layers, 'head'))}; "
            f"frozen: {frozen or 'nothing'}"
        )
        if self._first:
            with ddp.main_first():
                train, validation = keep_features(
                    network, self._first, recipe, datasets, device,
                    source=f"{datasets.digest} {recipe.split} {lungs_digest(options.lungs)}",
                    folder=folder, workers=workers, reporter=reporter,
                )  # fmt: skip
            workers = 0
        task = ClassifierTask(
            network, self._first, new_layers, recipe, train, validation, device,
            seed=options.seed, workers=workers,
        )  # fmt: skip
        progress = fit(task, recipe, options.seed, folder, reporter)
        if ddp.is_main():
            for features in folder.glob("features-*.npy"):  # gigabytes, and made again if need be
                features.unlink()
        return datasets, progress

    def _read(self, folder: Path) -> Datasets:
        """Read the radiographs, and see that everything is what the run began with."""
        options, weights = self._options, self._weights
        digest, began_with = lungs_digest(options.lungs), weights.sha256 or weights.source
        runlog.check_input(folder, "initial weights", options.init_weights, began_with)
        runlog.check_input(folder, "lung network", options.lungs, digest)
        reader = Reader(
            Path(options.data), folder.parent / "cache", options.on_bad_image,
            self._segmenter, digest, self._reporter,
        )  # fmt: skip
        with ddp.main_first():  # the others find in the cache what it has read
            datasets = load_datasets(self._division, self._recipe, options.seed, reader)
        runlog.check_input(folder, "films", options.data, datasets.digest)
        return datasets

    def _export(self, datasets: Datasets, progress: Progress) -> dict[str, Any]:
        """Calibrate on validation and write the bundle. Returns its card."""
        recipe, options, network = self._recipe, self._options, self._network
        recipe = replace(recipe, preprocess=datasets.train.spec)
        squares, rows = datasets.validation.radiographs.squares, datasets.validation_rows
        round_to_half(network)
        server = Server(network, self._segmenter, recipe.preprocess)
        outputs, maps = serve(server, squares, "calibration", self._reporter)
        perturbed = None
        if recipe.perturbed_radiographs:
            perturbed = serve_perturbed(server, rows, squares, self._reporter)
        origins = Origins(
            data=self._declaration,
            names_patients=self._names_patients,
            data_digest=datasets.digest,
            initial=self._weights,
            initial_weights=provenance.of_weights(self._weights),
            lungs=Path(options.lungs) if self._segmenter is not None else None,
            training=datasets.train_rows,
            validation=rows,
            settings={
                "seed": options.seed,
                "epochs": progress.epoch,
                "best_epoch": progress.best_epoch,
                "seconds": round(sum(epoch.seconds for epoch in progress.history), 1),
                "frozen": frozen_layers(
                    network, recipe.training, self._weights.new_layers, progress.best_epoch - 1
                ),
                "torch": str(torch.__version__),
            },
        )
        served = Served.of(outputs, maps, perturbed)
        out = Path(options.out)
        card = export(network, recipe, origins, served, out)
        if self._segmenter is not None:
            sources = [row.source for row in datasets.train_rows]
            lungs.fit_gate(out, datasets.train.radiographs.squares, sources)
        return card
