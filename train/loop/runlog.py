"""The run folder: configuration, history, TensorBoard events. For people and tools."""

import csv
import json
import math
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pneumonia.errors import RunError
from train import ddp
from train.files import replacing, write_text
from train.loop.checkpoint import Epoch, Progress
from train.reporter import Reporter

CONFIG = "config.json"
HISTORY = "history.csv"


def create(runs: Path, name: str) -> Path:
    """A new folder named by the time and by what it makes.

    In a distributed run the main process makes it, and every process gets its path.

    Raises
    ------
    RunError
        When there is no free name, or the folder is not to be seen from this process's machine.
    """
    folder = ddp.broadcast(_make_folder(runs, name) if ddp.is_main() else runs)
    if not folder.is_dir():
        raise RunError(
            f"The run's folder {folder} is not to be seen from process {ddp.rank() + 1} of "
            f"{ddp.world_size()}. Give --runs a folder that all machines share, under one name."
        )
    return folder


def _make_folder(runs: Path, name: str) -> Path:
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{name}"
    for number in range(100):
        folder = runs / (stem if number == 0 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RunError(f"No free name for a run under {runs}.")


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Keep what the run was asked for: ``recipe``, ``options``, and ``inputs`` as they are read."""
    if ddp.is_main():
        write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """Raises RunError when the folder is not a run's, or one of an earlier version."""
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder} is not the folder of a training run ({type(error).__name__} reading "
            f"{CONFIG}). Give a folder that flask train made, under runs/."
        ) from None
    if not {"recipe", "options", "inputs"} <= set(config):
        raise RunError(
            f"The run {folder} was made by an earlier version: its {CONFIG} does not say what it "
            "began with. Start a new run."
        )
    return config


def check_input(folder: Path, what: str, where: str, found: str) -> None:
    """Compare an input of the run with the one it began with, or note it at the first time.

    Parameters
    ----------
    what, where
        ``films``, ``initial weights`` and the like, and where they lie.
    found
        What tells them apart: a hash.

    Raises
    ------
    RunError
        When a run that is resumed would go on with something else.
    """
    if not ddp.is_main():
        return
    config = read_config(folder)
    began_with = config["inputs"].get(what)
    if began_with is None:
        config["inputs"][what] = found
        write_config(folder, config)
    elif began_with != found:
        raise RunError(
            f"The {what} at {where} are not those this run was started with (their hash differs). "
            "Restore them, or start a new run."
        )


class HistoryLog:
    """``history.csv``, and scalars for TensorBoard where it is installed."""

    def __init__(self, folder: Path, progress: Progress, reporter: Reporter) -> None:
        self._folder, self._history = folder, list(progress.history)
        self._writer: Any = None
        if not ddp.is_main():
            return
        if self._history:
            self._write_csv()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            reporter.warn("tensorboard is not installed: no event log is written")
            return
        # Epochs after the one resumed from were logged by the run that was cut off: drop them.
        self._writer = SummaryWriter(str(folder), purge_step=progress.epoch + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, epoch: Epoch) -> None:
        self._history.append(epoch)
        if not ddp.is_main():
            return
        self._write_csv()
        if self._writer is not None:
            for name, value in epoch.row().items():
                if isinstance(value, float) and not math.isnan(value):
                    part, _, rest = name.partition("_")
                    tag = f"{rest}/{part}" if part in ("train", "val") else name
                    self._writer.add_scalar(tag, value, epoch.epoch)
            self._writer.flush()

    def _write_csv(self) -> None:
        with (
            replacing(self._folder / HISTORY) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, list(self._history[0].row()), lineterminator="\n")
            writer.writeheader()
            writer.writerows(epoch.row() for epoch in self._history)


def last_run_to(runs: Path, out: str) -> Path | None:
    """The last run folder under ``runs`` that was to write the bundle ``out``; None without any."""
    found = []
    for config in runs.glob(f"*/{CONFIG}"):
        try:
            options = read_config(config.parent)["options"]
        except RunError:
            continue
        if options.get("out") == out:
            found.append(config.parent)
    return max(found, key=lambda folder: (folder / CONFIG).stat().st_mtime, default=None)
