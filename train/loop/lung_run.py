"""The lung network's run: drawn masks in, ``lungs.safetensors`` and ``lungs.json`` out."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from pneumonia.analysis.engines.pytorch import as_run
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.errors import ModelError
from pneumonia.networks import weights
from pneumonia.networks.lung_unet import TURNS, LungUNet, load_encoder
from train import ddp, initial
from train.bundle import lungs, outlier_model
from train.bundle.export import round_to_half
from train.data import lung_dataset
from train.data.declaration import find
from train.loop import runlog
from train.loop.checkpoint import LAST
from train.loop.device import Device
from train.loop.fit import fit
from train.loop.lung_task import LungTask, evaluate_lungs
from train.loop.run import Options
from train.recipes.recipe import LungRecipe, lung_recipe
from train.reporter import Reporter


def start(recipe: LungRecipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the ``lungs.json`` written to ``options.out``.

    Raises
    ------
    DataError
        When films or drawings are missing or cannot be read.
    ModelError
        When the initial weights do not fit.
    """
    sides = lung_dataset.select(
        Path(options.data), recipe.split, options.on_patient_overlap, options.dataset
    )
    network = _initial_network(options)
    folder = runlog.create(runs, Path(options.out).name)
    config = {"recipe": asdict(recipe), "options": asdict(options), "inputs": {}}
    runlog.write_config(folder, config)
    reporter.line(f"run {folder}: {recipe.title}")
    return _finish(recipe, options, sides, network, options.init_weights, folder, reporter)


def resume(folder: Path, changes: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Go on with a run that was cut off; see :func:`train.loop.run.resume` for RunError.

    The initial weights are read again only where no epoch was finished, or others are given.
    """
    config = runlog.read_config(folder)
    recipe = lung_recipe(config["recipe"])
    options = replace(Options(**config["options"]), **changes)
    sides = lung_dataset.select(
        Path(options.data), recipe.split, options.on_patient_overlap, options.dataset
    )
    again = "init_weights" in changes or not (folder / LAST).is_file()
    network = _initial_network(options if again else replace(options, init_weights="none"))
    reporter.line(f"run {folder}: going on")
    began_with = config["options"]["init_weights"]
    return _finish(recipe, options, sides, network, began_with, folder, reporter, again=again)


def _initial_network(options: Options) -> LungUNet:
    """A network whose encoder has the initial weights. Raises ModelError where they do not fit."""
    torch.manual_seed(options.seed)
    network, source = LungUNet(), options.init_weights
    if source == "none":
        return network
    try:
        if source == "imagenet":
            tensors = initial.fetch("MobileNet_V2_Weights.IMAGENET1K_V2")
        else:
            tensors = weights.read(Path(source))
        load_encoder(network, {name: tensor.float() for name, tensor in tensors.items()})
    except (OSError, KeyError, RuntimeError, weights.WeightsFileError) as error:
        raise ModelError(
            f"The initial weights {source} do not fit MobileNetV2: {error}. Give a .safetensors "
            "file with torchvision's names, or --init-weights none."
        ) from None
    return network


def _finish(
    recipe: LungRecipe,
    options: Options,
    sides: lung_dataset.Sides,
    network: LungUNet,
    began_with: str,
    folder: Path,
    reporter: Reporter,
    *,
    again: bool = True,
) -> dict[str, Any]:
    """Train, measure on patients held out, and write the lung network and its card."""
    source = options.init_weights
    if again:
        is_file = source not in ("none", "imagenet")
        digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if is_file else source
        runlog.check_input(folder, "initial weights", source, digest)
    cache = folder.parent / "cache"
    with ddp.main_first():
        train, validation = (
            lung_dataset.load(rows, recipe.grid, cache, options.on_bad_image, name, reporter)
            for rows, name in zip(sides, ("training", "validation"), strict=True)
        )
    found = lung_dataset.digest(Path(options.data), train, validation)
    runlog.check_input(folder, "films or lung masks", options.data, found)
    device = Device.choose(options.device, recipe.training.precision)
    task = LungTask(
        device.place(network), recipe, train, validation, device,
        seed=options.seed, workers=options.workers,
    )  # fmt: skip
    fit(task, recipe, options.seed, folder, reporter)
    if not ddp.is_main():
        return {}
    round_to_half(network)
    declaration = find(Path(options.data), options.dataset)
    declared = asdict(declaration) | {"population": declaration.population.as_dict()}
    card = {
        "size": recipe.size,
        "validation": evaluate_lungs(network, validation, recipe.size, TURNS),
        "outlier_model": outlier_model.fit(
            LungSegmenter(as_run(network, device.name), {"size": recipe.size}), train.squares
        ),
        "gate": asdict(recipe.gate),
        "recipe": asdict(recipe),
        "initial_weights": "torchvision" if began_with == "imagenet" else Path(began_with).name,
        "data": declared | {"masks": len(train.rows), "validation_masks": len(validation.rows)},
    }
    return lungs.write(Path(options.out), network, card)
