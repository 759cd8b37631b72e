"""Training the lung network: masks drawn by people, films turned and inverted on purpose."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pneumonia.analysis import lungs as lung_part
from pneumonia.analysis.lungs import LungFinder
from pneumonia.analysis.predictor import choose_device
from pneumonia.errors import DataError, ModelError, RunError
from pneumonia.imaging import decode
from pneumonia.imaging.lungs import Lungs, to_input
from pneumonia.networks import pretrained, weights
from pneumonia.networks.lungs import TURNS, Look, LungNetwork, load_encoder
from train import checkpoint, manifest, provenance, runlog, typical
from train.augment import augment
from train.dataset import EpochSampler, Key, load_squares
from train.export import round_to_half
from train.fit import Device
from train.manifest import Row
from train.optimise import make_schedule
from train.recipe import LungRecipe, lung_recipe
from train.reporter import Reporter
from train.run import Options


class MaskedFilms(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Films with their lungs; augmented and turned as (seed, epoch, index) decides, or plain."""

    def __init__(
        self,
        squares: NDArray[np.float32],
        masks: NDArray[np.bool_],
        recipe: LungRecipe,
        seed: int | None,
    ) -> None:
        self.squares, self.masks, self.recipe, self.seed = squares, masks, recipe, seed

    def __len__(self) -> int:
        return len(self.squares)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(1, S, S) film, (S / 2, S / 2) share of lung, () quarter turns, () inverted or not."""
        epoch, index = key
        square, mask = np.array(self.squares[index]), self.masks[index].astype(np.float32)
        turned, inverted = 0, False
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch, index))
            square, mask = augment(square, mask, self.recipe.augmentation, random)
            if random.random() < self.recipe.pose.turned:
                turned = int(random.integers(1, TURNS))
            inverted = bool(random.random() < self.recipe.pose.inverted)
        square, mask = np.rot90(square, turned), np.rot90(mask, turned)
        square = np.ascontiguousarray(1 - square if inverted else square)
        half = self.recipe.size // 2
        share = cv2.resize(np.ascontiguousarray(mask), (half, half), interpolation=cv2.INTER_AREA)
        return (
            torch.from_numpy(to_input(square, self.recipe.size)[None]),
            torch.from_numpy(share),
            torch.tensor(turned),
            torch.tensor(float(inverted)),
        )


def loss(look: Look, share: Tensor, turned: Tensor, inverted: Tensor, weight: float) -> Tensor:
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


@dataclass(frozen=True, slots=True)
class Part:
    rows: tuple[Row, ...]
    squares: NDArray[np.float32]
    masks: NDArray[np.bool_]


def start(recipe: LungRecipe, options: Options, runs: Path, reporter: Reporter) -> dict[str, Any]:
    """Train from the beginning. Returns the ``lungs.json`` written to ``options.out``."""
    folder = runlog.create(runs, recipe.name)
    runlog.write_config(folder, {"recipe": asdict(recipe), "options": asdict(options)})
    reporter.line(f"run {folder}: {recipe.title}")
    return _train(recipe, options, folder, reporter)


def resume(folder: Path, changes: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Go on with a run that was cut off; ``changes`` as in :func:`train.run.resume`."""
    config = runlog.read_config(folder)
    reporter.line(f"run {folder}: going on")
    options = replace(Options(**config["options"]), **changes)
    return _train(lung_recipe(config["recipe"]), options, folder, reporter)


def _train(
    recipe: LungRecipe, options: Options, folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """Train, measure on patients held out, and write ``lungs.safetensors`` and ``lungs.json``.

    Raises
    ------
    DataError
        When no film has a lung mask.
    ModelError
        When the initial weights do not fit.
    """
    torch.manual_seed(options.seed)
    network = LungNetwork()
    initial = _start_encoder(network, options.init_weights)
    cache = folder.parent / "cache"
    train_part, held_out = (
        _load(rows, recipe, cache, name, reporter)
        for rows, name in zip(
            _masked(Path(options.data), recipe), ("training", "validation"), strict=True
        )
    )
    device = Device(choose_device(options.device), recipe.training.precision)
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _fit(network, recipe, train_part, held_out, device, options.seed, folder, reporter)
    round_to_half(network)
    measured = measure(network, held_out, recipe, TURNS)
    finder = LungFinder(network, {"size": recipe.size}, device.name)
    return lung_part.write(
        Path(options.out),
        network,
        {
            "size": recipe.size,
            "validation": measured,
            "typical": typical.fit(finder, train_part.squares),
            "recipe": asdict(recipe),
            "initial_weights": initial,
            "data": asdict(provenance.of_films(train_part.rows))
            | {"masks": len(train_part.rows), "validation_masks": len(held_out.rows)},
        },
    )


def _start_encoder(network: LungNetwork, source: str) -> str:
    if source == "none":
        return source
    try:
        if source == "imagenet":
            tensors = pretrained.fetch("MobileNet_V2_Weights.IMAGENET1K_V2")
        else:
            tensors, _ = weights.read(Path(source))
        load_encoder(network, {name: tensor.float() for name, tensor in tensors.items()})
    except (OSError, KeyError, RuntimeError, weights.WeightsFileError) as error:
        raise ModelError(
            f"The initial weights {source} do not fit MobileNetV2: {error}. Give a .safetensors "
            "file with torchvision's names, or --init-weights none."
        ) from None
    return Path(source).name if source != "imagenet" else "torchvision"


def _masked(data: Path, recipe: LungRecipe) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    rows = [row for row in manifest.load(data).split("train", "val") if row.mask is not None]
    if not rows:
        raise DataError(
            f"No film under {data} has a lung mask: manifest.csv needs the column lung_mask."
        )
    return manifest.split_by_patient(rows, recipe.split.fraction, recipe.split.seed)


def _load(
    rows: tuple[Row, ...], recipe: LungRecipe, cache: Path, name: str, reporter: Reporter
) -> Part:
    with reporter.bar(f"reading {name} films", len(rows)) as advance:
        kept, squares = load_squares(rows, recipe.grid, cache, "skip", advance, reporter.warn)
    masks = np.zeros(squares.shape, np.bool_)
    for i, row in enumerate(kept):
        assert row.mask is not None
        drawn = decode(row.mask.read_bytes()).pixels > 0.5
        masks[i] = Lungs.of_mask(drawn, recipe.grid).probability > 0.5
    return Part(kept, squares, masks)


def _fit(
    network: LungNetwork,
    recipe: LungRecipe,
    part: Part,
    held_out: Part,
    device: Device,
    seed: int,
    folder: Path,
    reporter: Reporter,
) -> None:
    films = MaskedFilms(part.squares, part.masks, recipe, seed)
    sampler = EpochSampler(len(films), seed)
    batches = DataLoader(films, recipe.training.batch_size, sampler=sampler, drop_last=True)
    optimiser = _optimiser(network, recipe)
    schedule = make_schedule(optimiser, recipe.schedule, recipe.training.epochs * len(batches))
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    done, last = 0, folder / "last.pt"
    if last.is_file():
        content = checkpoint.read(last)
        done = content["epoch"]
        for name, part_ in parts.items():
            part_.load_state_dict(content[name])
    for epoch in range(done, recipe.training.epochs):
        sampler.epoch = epoch
        mean = _epoch(network, recipe, batches, optimiser, schedule, device, epoch, reporter)
        state = {name: part_.state_dict() for name, part_ in parts.items()}
        checkpoint.save(last, {"epoch": epoch + 1} | state)
        found = measure(network, held_out, recipe, 1)
        reporter.line(
            f"epoch {epoch + 1}/{recipe.training.epochs}  loss {mean:.4f}  validation: Dice "
            f"{found['dice']:.4f}  quarter turn {found['turned']:.4f}  "
            f"inverted {found['inverted']:.4f}"
        )


def _epoch(
    network: LungNetwork,
    recipe: LungRecipe,
    batches: DataLoader[tuple[Tensor, Tensor, Tensor, Tensor]],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    device: Device,
    epoch: int,
    reporter: Reporter,
) -> float:
    network.train()
    total = 0.0
    with reporter.bar(f"epoch {epoch + 1}", len(batches) * recipe.training.batch_size) as advance:
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


def _optimiser(network: LungNetwork, recipe: LungRecipe) -> torch.optim.Optimizer:
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


def measure(network: LungNetwork, part: Part, recipe: LungRecipe, turns: int) -> dict[str, float]:
    """Mean Dice over films, and how often the pose is told over ``turns`` quarter turns of each."""
    finder = LungFinder(network, {"size": recipe.size}, next(network.parameters()).device.type)
    poses = [(k, flip) for k in range(turns) for flip in (False, True)]
    dice, turned, inverted = [], [], []
    for square, mask in zip(part.squares, part.masks, strict=True):
        films = [np.ascontiguousarray(np.rot90(1 - square if f else square, k)) for k, f in poses]
        for (k, flip), sight in zip(poses, finder.look(films), strict=True):
            turned.append(sight.turned.argmax() == k)
            inverted.append((sight.inverted > 0.5) == flip)
            if (k, flip) == (0, False):
                found = sight.lungs.mask
                dice.append(2 * (found & mask).sum() / max(found.sum() + mask.sum(), 1))
    return {
        "n": len(dice),
        "dice": round(float(np.mean(dice)), 4),
        "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
        "turned": round(float(np.mean(turned)), 4),
        "inverted": round(float(np.mean(inverted)), 4),
    }
