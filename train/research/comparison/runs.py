"""Runs the trainings of a comparison one by one: what is finished stays, what failed is told."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pneumonia.analysis.bundle import file_sha256, load_bundle
from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.lung_segmenter import digest as lungs_digest
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DomainError, RunError
from train.data import manifest, splits
from train.data.manifest import Manifest
from train.loop import run, runlog
from train.recipes.recipe import Recipe
from train.reporter import Reporter
from train.research.comparison import cost, record
from train.research.comparison.history import figures
from train.research.comparison.measure import measure
from train.research.comparison.plan import Entry
from train.research.comparison.protocol import (
    TEST,
    Protocol,
    check,
    is_shared,
    measured_on,
    needs_official_test,
    recipe_for,
)
from train.research.comparison.record import Record


@dataclass(frozen=True, slots=True)
class Result:
    """An entry under a protocol. No record: not run yet, or ``locked``: it cannot be run here."""

    entry: Entry
    protocol: Protocol
    record: Record | None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Titled:
    """A reporter that says of everything which training it belongs to."""

    reporter: Reporter
    title: str

    def line(self, text: str) -> None:
        self.reporter.line(f"[{self.title}] {text}")

    def warn(self, text: str) -> None:
        self.reporter.warn(f"[{self.title}] {text}")

    def bar(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return self.reporter.bar(f"[{self.title}] {label}", total)


class Comparison:
    """The trainings of all entries, over one folder of films.

    Parameters
    ----------
    options
        What is the same for all entries; ``out`` and ``init_weights`` are each training's own.
    runs
        Folder of the run folders and their cache; bundles and records go to ``runs/compare``.
    rounds
        How often a film's time is taken.

    Raises
    ------
    RecipeError
        For an entry whose figure is of films that its split does not keep apart.
    DataError
        See :func:`train.data.manifest.training_rows`.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        radiographs: Manifest,
        options: run.Options,
        runs: Path,
        rounds: int = 15,
    ) -> None:
        self.entries, self.radiographs, self.options = entries, radiographs, options
        self.runs, self.rounds = runs, rounds
        for entry in entries:
            check(entry)
        self._pool = manifest.training_rows(radiographs, options.on_patient_overlap)

    @property
    def has_test(self) -> bool:
        """Whether the official test films are there."""
        return bool(self.radiographs.split(TEST))

    def results(self) -> list[Result]:
        """Where all entries stand, each under the paper's protocol and then by patient."""
        return [
            Result(entry, protocol, *self._standing(entry, protocol))
            for entry in self.entries
            for protocol in Protocol
        ]

    def run(self, reporter: Reporter) -> Iterator[Result]:
        """Do what is left to do. Yields each training's result as soon as it is there.

        A failure becomes part of the result; an interruption is raised, and what was begun goes
        on the next time.
        """
        for number, entry in enumerate(self.entries, 1):
            for protocol in self._trainings(entry):
                title = f"{number}/{len(self.entries)} {entry.name}, {protocol}"
                yield self._run(entry, protocol, Titled(reporter, title))

    def _trainings(self, entry: Entry) -> list[Protocol]:
        if is_shared(entry):
            return [Protocol.PATIENT]
        locked = self._is_locked(entry, Protocol.PAPER)
        return [Protocol.PATIENT] if locked else [Protocol.PAPER, Protocol.PATIENT]

    def _is_locked(self, entry: Entry, protocol: Protocol) -> bool:
        return needs_official_test(entry, protocol) and not self.has_test

    def _standing(self, entry: Entry, protocol: Protocol) -> tuple[Record | None, bool]:
        if self._is_locked(entry, protocol):
            return None, True
        trained_as = Protocol.PATIENT if is_shared(entry) else protocol
        return Record.read(self._record(self._bundle(entry, trained_as))), False

    # --- one training ---------------------------------------------------------------------------

    def _run(self, entry: Entry, protocol: Protocol, reporter: Reporter) -> Result:
        bundle = self._bundle(entry, protocol)
        path = self._record(bundle)
        kept = Record.read(path) or Record()
        if kept.learnt_nothing and self._recall(entry, protocol, bundle, kept):
            return Result(entry, protocol, kept)  # it would end so again
        anew = kept.learnt_nothing or kept.code == RunError.code
        kept.reason = kept.code = ""
        kept.write(path)  # whatever it failed with before, it is being tried again
        try:
            if not kept.cost:
                kept.cost = self._train(entry, protocol, bundle, reporter, anew=anew)
                kept.write(path)
            self._measure(entry, protocol, bundle, kept, reporter)
        except DomainError as error:
            kept.reason, kept.code = str(error), error.code
        except Exception as error:  # whatever it is, the other entries go on
            kept.reason, kept.code = f"{type(error).__name__}: {error}", "crash"
            reporter.warn(traceback.format_exc())
        kept.write(path)
        if kept.learnt_nothing and self._recall(entry, protocol, bundle, kept):
            reporter.warn(f"not calibrated: {kept.reason}")
        elif kept.reason:
            reporter.warn(f"failed, and is tried again next time: {kept.reason}")
        return Result(entry, protocol, kept)

    def _train(
        self, entry: Entry, protocol: Protocol, bundle: Path, reporter: Reporter, *, anew: bool
    ) -> dict[str, Any]:
        """Begin the training, or go on with one that was cut off.

        ``anew``: a run that ended itself (it diverged, say) would end so again.
        """
        folder = runlog.last_run_to(self.runs, str(bundle))
        if folder is not None and not anew:
            # The key vouches that films and weights are the same, wherever they lie by now.
            names = ("device", "workers", "data", "on_patient_overlap")
            changes = {name: getattr(self.options, name) for name in names}
            changes["init_weights"] = entry.init_weights
            card = run.resume(folder, changes, reporter)
        else:
            recipe = recipe_for(entry, protocol)
            options = replace(self.options, out=str(bundle), init_weights=entry.init_weights)
            card = run.start(recipe, options, self.runs, reporter)
        return cost.of_training(card, self.options.device)

    def _recall(self, entry: Entry, protocol: Protocol, bundle: Path, kept: Record) -> bool:
        """Take the figures of a network that learnt nothing from its history, where it is there."""
        folder = runlog.last_run_to(self.runs, str(bundle))
        if not kept.measured and folder is not None:
            recipe = recipe_for(entry, protocol)
            rows = splits.divide(self._pool, recipe.split, self.radiographs.split(TEST)).validation
            try:
                kept.measured[splits.VALIDATION] = figures(folder, recipe, self.radiographs, rows)
            except (RunError, OSError, ValueError):  # its files are gone: it must be trained again
                return False
            kept.write(self._record(bundle))
        return bool(kept.measured)

    def _measure(
        self,
        entry: Entry,
        protocol: Protocol,
        bundle: Path,
        kept: Record,
        reporter: Reporter,
    ) -> None:
        """Fill in what is not measured yet, or was measured on other films."""
        predictor: Predictor | None = None
        for part in measured_on(entry, protocol, has_test=self.has_test):
            predictor = predictor or Predictor.load(bundle, self.options.device)
            rows = splits.select_rows(self.radiographs, part, predictor.card)
            digest = Manifest(self.radiographs.root, rows).digest()
            if kept.measured.get(part, {}).get("digest") != digest:
                kept.measured[part] = measure(
                    predictor, self.radiographs, rows, reporter, self.options.on_bad_image
                )
                kept.write(self._record(bundle))
        if protocol is Protocol.PATIENT and not kept.speed:  # the split makes no network slower
            side = recipe_for(entry, protocol).preprocess.size
            network = load_bundle(bundle).network
            kept.speed = asdict(cost.time_radiograph(network, side, self.rounds))

    # --- where it is kept -----------------------------------------------------------------------

    def _bundle(self, entry: Entry, protocol: Protocol) -> Path:
        """A folder whose name changes with whatever changes the training."""
        recipe = recipe_for(entry, protocol)
        name = f"{entry.name}-{protocol}-{record.key(recipe, self._conditions(entry, recipe))}"
        return (self.runs / "compare" / entry.name / name).resolve()

    @staticmethod
    def _record(bundle: Path) -> Path:
        return bundle.with_name(bundle.name + ".json")

    def _conditions(self, entry: Entry, recipe: Recipe) -> dict[str, Any]:
        options = self.options
        return {
            "films": self._all_radiographs
            if recipe.split.scheme == "resplit"
            else self._training_radiographs,
            "init_weights": _weights_digest(entry.init_weights),
            "lungs": self._lungs,
            "seed": options.seed,
            "on_bad_image": options.on_bad_image,
        }

    @cached_property
    def _training_radiographs(self) -> str:
        """Of the very rows, so that test films that join them without a clash change nothing."""
        return Manifest(self.radiographs.root, self._pool).digest()

    @cached_property
    def _all_radiographs(self) -> str:
        return Manifest(
            self.radiographs.root, (*self._pool, *self.radiographs.split(TEST))
        ).digest()

    @cached_property
    def _lungs(self) -> str:
        if self.options.lungs != "none":
            LungSegmenter.load(
                Path(self.options.lungs)
            )  # says what is wrong with it, if anything is
        return lungs_digest(self.options.lungs)


@cache
def _weights_digest(source: str) -> str:
    """A file's SHA-256; where it is missing, its name: the training will say so."""
    path = Path(source)
    return file_sha256(path) if path.is_file() else source
