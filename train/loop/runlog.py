"""The run folder: configuration, history, TensorBoard events, plots. For people and tools."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pneumonia.errors import RunError
from train.files import write_text
from train.loop.checkpoint import Epoch
from train.reporter import Reporter

CONFIG = "config.json"
HISTORY = "history.csv"


def create(runs: Path, recipe: str) -> Path:
    """A new folder named by the time and the recipe; a number is added where it is taken."""
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{recipe}"
    for number in range(100):
        folder = runs / (stem if number == 0 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RunError(f"No free name for a run under {runs}.")


def is_of_lungs(folder: Path) -> bool:
    """Whether a run trains the lung network. Raises RunError when the folder is not a run's."""
    return bool(read_config(folder)["recipe"].get("kind") == "lungs")


def write_config(folder: Path, config: dict[str, Any]) -> None:
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """Raises RunError when the folder is not a run's."""
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder} is not the folder of a training run ({type(error).__name__} reading "
            f"{CONFIG}). Give a folder that flask train made, under runs/."
        ) from None
    return config


def check_same(what: str, where: str, found: str, began_with: str) -> None:
    """Raises RunError when a run that is resumed would go on with something else."""
    if found != began_with:
        raise RunError(
            f"The {what} at {where} are not those this run was started with (their hash differs). "
            "Restore them, or start a new run."
        )


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """All epochs so far as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    write_text(folder / HISTORY, text.getvalue())


class EventLog:
    """Scalars for TensorBoard, where it is installed; otherwise one warning and nothing."""

    def __init__(self, folder: Path, first_epoch: int, reporter: Reporter) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            reporter.warn("tensorboard is not installed: no event log is written")
            return
        # Epochs after the one resumed from were logged by the run that was cut off: drop them.
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, epoch: Epoch) -> None:
        if self._writer is None:
            return
        for name, value in asdict(epoch).items():
            if isinstance(value, float) and not math.isnan(value):
                part, _, rest = name.partition("_")
                tag = f"{rest}/{part}" if part in ("train", "val") else name
                self._writer.add_scalar(tag, value, epoch.epoch)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def plot(folder: Path, counts: dict[str, dict[str, int]], reporter: Reporter) -> None:
    """Draw the history and the films of each class beside it, where matplotlib is installed.

    ``counts`` is films by side of the split and class.
    """
    try:
        from train.evaluate.radiograph_plots import plot_class_counts
        from train.evaluate.report import plot_history

        plot_history(folder / HISTORY, folder)
        plot_class_counts(counts, folder)
    except ImportError:
        reporter.warn("matplotlib is not installed: no plots are drawn")
