"""A search's plan: what its processes share, and how each of them trains one trial."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pneumonia.analysis.bundle import file_sha256
from pneumonia.analysis.lung_card import digest as lungs_digest
from train.data import manifest, splits
from train.loop import run
from train.recipes import dotted
from train.recipes.recipe import Recipe
from train.reporter import Reporter
from train.research.comparison.record import recipe_key
from train.research.search.space import Space, base
from train.research.titled import TitledReporter

#: Figures of the best epoch that a trial keeps, by their names in the history.
FIGURES = ("val_auroc", "val_accuracy", "val_loss", "val_sensitivity", "val_specificity")
_PROSE = {"title", "paper", "trials"}  # of a space: words, and how long the search goes on


@dataclass(frozen=True, slots=True)
class Search:
    """Plan of a search over one space; it is handed to each of its processes.

    Attributes
    ----------
    file
        The study's SQLite file; the tables lie beside it.
    changes
        Settings of every trial, over the space's recipe and under what the space tries.
    wanted
        Trials of the whole search.
    command
        The command line that goes on with it.
    """

    space: Space
    file: Path
    options: run.Options
    changes: dict[str, Any]
    runs: Path
    wanted: int
    command: str

    @property
    def recipe(self) -> Recipe:
        return base(self.space, self.changes | dotted.flatten(self.space.budget))

    def conditions(self) -> dict[str, str]:
        """What must be the same for all trials of a study, in words or as a hash.

        Raises
        ------
        DataError
            When the recipe's split cannot be made of the radiographs.
        """
        options, recipe, weights = self.options, self.recipe, Path(self.options.init_weights)
        radiographs = manifest.load(Path(options.data), options.dataset)
        pool = manifest.training_rows(radiographs, options.on_patient_overlap)
        splits.divide(pool, recipe.split)
        return {
            "space": repr({k: v for k, v in asdict(self.space).items() if k not in _PROSE}),
            "recipe": recipe_key(recipe, {}),
            "settings": repr(self.changes),
            "films": manifest.Manifest(radiographs.root, pool).digest(),
            "on_bad_image": options.on_bad_image,
            "initial weights": file_sha256(weights) if weights.is_file() else str(weights),
            "lung network": lungs_digest(options.lungs),
            "seed": str(options.seed),
        }

    def train(self, settings: dict[str, Any], number: int, reporter: Reporter) -> dict[str, Any]:
        """Train a trial and measure it on validation; no bundle and no plots are made.

        Returns
        -------
        :data:`FIGURES` of the best epoch, ``best_epoch`` and ``seconds``.

        Raises
        ------
        RecipeError
            When the settings cannot be used.
        RunError
            When the training diverges.
        """
        name = f"{self.space.name} trial {number}"
        recipe, options = self.recipe.with_changes(settings), replace(self.options, out=name)
        own = run.Run(recipe, options, TitledReporter(reporter, name, quiet=True))
        folder = own.begin(self.runs)
        with _without_checkpoints(folder):
            _, progress = own.train(folder)
        best = progress.history[progress.best_epoch - 1].row()
        return {
            **{figure: best[figure] for figure in FIGURES},
            "best_epoch": progress.best_epoch,
            "seconds": round(sum(epoch.seconds for epoch in progress.history), 1),
        }


@contextmanager
def _without_checkpoints(folder: Path) -> Iterator[None]:
    """Of dozens of trials only the history is of interest; the rest is gigabytes.

    A run that fails leaves its kept features too, which one that ends removes itself.
    """
    try:
        yield
    finally:
        for pattern in ("*.pt", "features-*.npy"):
            for file in folder.glob(pattern):
                file.unlink()
