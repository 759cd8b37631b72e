"""Training the lung network: masks drawn by people, films turned and inverted on purpose."""

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from pneumonia.analysis import lung_segmenter as lung_part
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.predictor import choose_device
from pneumonia.errors import ModelError, RunError
from pneumonia.networks import pretrained, weights
from pneumonia.networks.lung_unet import TURNS, LungOutputs, LungUNet, load_encoder
from train.bundle import provenance
from train.bundle.export import round_to_half
from train.data import masked
from train.data.manifest import Row
from train.data.masked import MaskedRadiographs, Part
from train.data.sampling import EpochSampler
from train.loop import checkpoint, runlog
from train.loop.fit import Device
from train.loop.optimise import make_schedule
from train.loop.run import Options
from train.lung_network import outlier_model
from train.recipes.recipe import LungRecipe, lung_recipe
from train.reporter import Reporter

Batches = DataLoader[tuple[Tensor, Tensor, Tensor, Tensor]]
LAST = "last.pt"


def loss(
    look: LungOutputs, share: Tensor, turned: Tensor, inverted: Tensor, weight: float
) -> Tensor:
    """Cross-entropy and soft Dice of the outline, and ``weight`` times that of the pose."""
    logits = look.lungs.float()
    outline = F.binary_cross_entropy_with_logits(logits, share)
    p = torch.sigmoid(logits)
    overlap, total = (p * share).sum((1, 2)), (p + share).sum((1, 2))
    dice = (1 - (2 * overlap + 1) / (total + 1)).mean()
    pose = F.cross_entropy(look.turned.float(), turned) + F.binary_cross_entropy_with_logits(
        look.inverted.float(), inverted
    )
    return outline + dice + weight * pose


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """All that a run is made of; ``initial_weights`` is where it began, for the card."""

    recipe: LungRecipe
    options: Options
    network: LungUNet
    initial_weights: str
    train: Part
    held_out: Part
    folder: Path
    reporter: Reporter


def start(recipe: LungRecipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the ``lungs.json`` written to ``options.out``.

    Raises
    ------
    DataError
        When films or drawings are missing or cannot be read.
    ModelError
        When the initial weights do not fit.
    """
    sides = masked.select(Path(options.data), recipe.split, options.on_patient_overlap)
    torch.manual_seed(options.seed)
    network = LungUNet()
    initial = _start_encoder(network, options.init_weights)
    folder = runlog.create(runs, recipe.name)
    config = {
        "recipe": asdict(recipe),
        "options": asdict(options),
        "initial_weights": initial,
        "digest": None,
    }
    runlog.write_config(folder, config)
    reporter.line(f"run {folder}: {recipe.title}")
    parts = _load(sides, recipe, options, runs / "cache", reporter)
    runlog.write_config(folder, config | {"digest": masked.digest(Path(options.data), parts)})
    source = _name_weights(options.init_weights)
    return _train(Run(recipe, options, network, source, *parts, folder, reporter))


def resume(folder: Path, changes: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Go on with a run that was cut off; see :func:`train.loop.run.resume` for RunError.

    The initial weights are read again only where no epoch was finished, or others are given.
    """
    config = runlog.read_config(folder)
    recipe = lung_recipe(config["recipe"])
    options = replace(Options(**config["options"]), **changes)
    sides = masked.select(Path(options.data), recipe.split, options.on_patient_overlap)
    torch.manual_seed(options.seed)
    network = LungUNet()
    if "init_weights" in changes or not (folder / LAST).is_file():
        initial = _start_encoder(network, options.init_weights)
        began_with = config.get("initial_weights", initial)  # earlier versions did not keep it
        runlog.check_same("initial weights", options.init_weights, initial, began_with)
    reporter.line(f"run {folder}: going on")
    parts = _load(sides, recipe, options, folder.parent / "cache", reporter)
    digest = masked.digest(Path(options.data), parts)
    if config.get("digest") is None:  # it was cut off while it read them
        runlog.write_config(folder, config | {"digest": digest})
    else:
        runlog.check_same("films or lung masks", options.data, digest, config["digest"])
    source = _name_weights(config["options"]["init_weights"])
    return _train(Run(recipe, options, network, source, *parts, folder, reporter))


def _load(
    sides: tuple[tuple[Row, ...], tuple[Row, ...]],
    recipe: LungRecipe,
    options: Options,
    cache: Path,
    reporter: Reporter,
) -> tuple[Part, Part]:
    def load(rows: tuple[Row, ...], name: str) -> Part:
        return masked.load(rows, recipe.grid, cache, options.on_bad_image, name, reporter)

    return load(sides[0], "training"), load(sides[1], "validation")


def _train(run: Run) -> dict[str, Any]:
    """Train, measure on patients held out, and write ``lungs.safetensors`` and ``lungs.json``."""
    recipe, network = run.recipe, run.network
    device = Device(choose_device(run.options.device), recipe.training.precision)
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _fit(run, device)
    round_to_half(network)
    measured = measure(network, run.held_out, recipe, TURNS)
    segmenter = LungSegmenter(network, {"size": recipe.size}, device.name)
    return lung_part.write(
        Path(run.options.out),
        network,
        {
            "size": recipe.size,
            "validation": measured,
            "outlier_model": outlier_model.fit(segmenter, run.train.squares),
            "recipe": asdict(recipe),
            "initial_weights": run.initial_weights,
            "data": asdict(provenance.of_radiographs(run.train.rows))
            | {"masks": len(run.train.rows), "validation_masks": len(run.held_out.rows)},
        },
    )


def _start_encoder(network: LungUNet, source: str) -> str:
    """Load initial weights. Returns their file's SHA-256 (hex), or ``source`` without a file."""
    if source == "none":
        return source
    digest = source
    try:
        if source == "imagenet":
            tensors = pretrained.fetch("MobileNet_V2_Weights.IMAGENET1K_V2")
        else:
            digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
            tensors, _ = weights.read(Path(source))
        load_encoder(network, {name: tensor.float() for name, tensor in tensors.items()})
    except (OSError, KeyError, RuntimeError, weights.WeightsFileError) as error:
        raise ModelError(
            f"The initial weights {source} do not fit MobileNetV2: {error}. Give a .safetensors "
            "file with torchvision's names, or --init-weights none."
        ) from None
    return digest


def _name_weights(source: str) -> str:
    """What the card calls initial weights."""
    return "torchvision" if source == "imagenet" else Path(source).name


def _fit(run: Run, device: Device) -> None:
    recipe, network, seed = run.recipe, run.network, run.options.seed
    radiographs = MaskedRadiographs(run.train, recipe, seed)
    sampler = EpochSampler(len(radiographs), seed)
    batches = _batches(radiographs, sampler, recipe.training.batch_size, run.options.workers)
    optimiser = _optimiser(network, recipe)
    schedule = make_schedule(optimiser, recipe.schedule, recipe.training.epochs * len(batches))
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    done, last = 0, run.folder / LAST
    if last.is_file():
        content = checkpoint.read(last)
        done = content["epoch"]
        for name, part in parts.items():
            part.load_state_dict(content[name])
    for epoch in range(done, recipe.training.epochs):
        sampler.epoch = epoch
        mean = _epoch(network, recipe, batches, optimiser, schedule, device, epoch, run.reporter)
        state = {name: part.state_dict() for name, part in parts.items()}
        checkpoint.save(last, {"epoch": epoch + 1} | state)
        found = measure(network, run.held_out, recipe, 1)
        run.reporter.line(
            f"epoch {epoch + 1}/{recipe.training.epochs}  loss {mean:.4f}  validation: Dice "
            f"{found['dice']:.4f}  quarter turn {found['turned']:.4f}  "
            f"inverted {found['inverted']:.4f}"
        )


def _batches(
    radiographs: MaskedRadiographs, sampler: EpochSampler, size: int, workers: int
) -> Batches:
    """Whole batches only; of fewer films than one batch holds, all of them in one."""
    return DataLoader(
        radiographs,
        min(size, len(radiographs)),
        sampler=sampler,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def _epoch(
    network: LungUNet,
    recipe: LungRecipe,
    batches: Batches,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    device: Device,
    epoch: int,
    reporter: Reporter,
) -> float:
    network.train()
    total = 0.0
    with reporter.bar(f"epoch {epoch + 1}", len(batches) * (batches.batch_size or 1)) as advance:
        for x, *targets in batches:
            with device.autocast():
                look = network(x.to(device.name, memory_format=torch.channels_last))
            share, turned, inverted = (t.to(device.name) for t in targets)
            value = loss(look, share, turned, inverted, recipe.pose.weight)
            if not math.isfinite(value.item()):
                raise RunError("The loss is no longer a number. Lower the recipe's learning rates.")
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += value.item()
            advance(len(x))
    return total / len(batches)


def _optimiser(network: LungUNet, recipe: LungRecipe) -> torch.optim.Optimizer:
    """The encoder at its own rate; no weight decay on biases and normalisation."""
    groups = []
    for decays in (True, False):
        for encoder, rate in (
            (True, recipe.optimiser.learning_rate),
            (False, recipe.optimiser.head_rate),
        ):
            chosen = [
                p
                for name, p in network.named_parameters()
                if (p.ndim > 1) == decays and name.startswith("stages.") == encoder
            ]
            decay = recipe.optimiser.weight_decay if decays else 0.0
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def measure(network: LungUNet, part: Part, recipe: LungRecipe, turns: int) -> dict[str, float]:
    """Mean Dice over films, and how often the pose is told over ``turns`` quarter turns of each."""
    segmenter = LungSegmenter(
        network, {"size": recipe.size}, next(network.parameters()).device.type
    )
    poses = [(k, flip) for k in range(turns) for flip in (False, True)]
    dice, turned, inverted = [], [], []
    for square, mask in zip(part.squares, part.masks, strict=True):
        radiographs = [
            np.ascontiguousarray(np.rot90(1 - square if f else square, k)) for k, f in poses
        ]
        for (k, flip), segmentation in zip(poses, segmenter.segment(radiographs), strict=True):
            turned.append(segmentation.turned.argmax() == k)
            inverted.append((segmentation.inverted > 0.5) == flip)
            if (k, flip) == (0, False):
                found = segmentation.lungs.mask
                dice.append(2 * (found & mask).sum() / max(found.sum() + mask.sum(), 1))
    return {
        "n": len(dice),
        "dice": round(float(np.mean(dice)), 4),
        "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
        "turned": round(float(np.mean(turned)), 4),
        "inverted": round(float(np.mean(inverted)), 4),
    }
