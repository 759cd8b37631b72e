"""Finds a run folder again by what it was to write."""

from pathlib import Path

from pneumonia.errors import RunError
from train.loop import runlog


def find(runs: Path, out: str) -> Path | None:
    """The last run folder under ``runs`` whose option ``out`` is this one; None without any."""
    found = []
    for config in runs.glob(f"*/{runlog.CONFIG}"):
        try:
            options = runlog.read_config(config.parent).get("options", {})
        except RunError:
            continue
        if options.get("out") == out:
            found.append(config.parent)
    return max(found, key=lambda folder: (folder / runlog.CONFIG).stat().st_mtime, default=None)
