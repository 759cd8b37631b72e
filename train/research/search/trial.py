"""One trial of a search: train with some settings, and say what validation makes of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from train.loop import run, runlog
from train.recipes.recipe import Recipe
from train.reporter import Reporter

#: Figures of the best epoch that a trial keeps, by their names in the history.
FIGURES = ("val_auroc", "val_accuracy", "val_loss", "val_sensitivity", "val_specificity")


@dataclass(frozen=True, slots=True)
class Hushed:
    """A reporter for one of many trainings: warnings and long waits, but no epochs."""

    reporter: Reporter
    title: str

    def line(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.reporter.warn(f"[{self.title}] {text}")

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        if label.startswith(("epoch", "validation")):
            return nullcontext(lambda _: None)
        return self.reporter.bar(f"[{self.title}] {label}", total)


def train(
    recipe: Recipe, options: run.Options, runs: Path, name: str, reporter: Reporter
) -> dict[str, Any]:
    """Train and measure on validation; no bundle is made.

    Returns
    -------
    :data:`FIGURES` of the best epoch, ``best_epoch`` and ``seconds``.

    Raises
    ------
    RunError
        When the training diverges.
    """
    options = replace(options, out=name)
    with _without_checkpoints(runs, name):
        own = run.Run(recipe, options, Hushed(reporter, name))
        progress = own.train(own.begin(runs))[1]
    best = progress.history[progress.best_epoch - 1].row()
    return {
        **{figure: best[figure] for figure in FIGURES},
        "best_epoch": progress.best_epoch,
        "seconds": round(sum(epoch.seconds for epoch in progress.history), 1),
    }


@contextmanager
def _without_checkpoints(runs: Path, name: str) -> Iterator[None]:
    """Of dozens of trials only the history is of interest; the rest is gigabytes.

    A run that fails leaves its kept features too, which one that ends removes itself.
    """
    try:
        yield
    finally:
        folder = runlog.last_run_to(runs, name)
        for pattern in ("*.pt", "features-*.npy"):
            for file in folder.glob(pattern) if folder else ():
                file.unlink(missing_ok=True)
