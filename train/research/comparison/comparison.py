"""A comparison's trainings, one by one: what is finished stays, what failed is told."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pneumonia.analysis.bundle import file_sha256, read_bundle
from pneumonia.analysis.engines.pytorch import load_classifier, load_lung_network
from pneumonia.analysis.lung_card import digest as lungs_digest
from pneumonia.analysis.predictor import Predictor
from pneumonia.errors import DomainError, RunError
from train.data import manifest, splits
from train.data.manifest import Manifest
from train.loop import run, runlog
from train.reporter import Reporter
from train.research.comparison.cost import Cost, time_radiograph
from train.research.comparison.measure import Figures, digest, from_history, measure
from train.research.comparison.plan import Entry
from train.research.comparison.protocol import TEST, Protocol, Training, is_shared
from train.research.comparison.record import Record, recipe_key
from train.research.titled import TitledReporter


@dataclass(frozen=True, slots=True)
class Result:
    """Where a training stands. No record: not run yet, or ``locked``: it cannot be run here."""

    training: Training
    record: Record | None
    locked: bool = False

    def figures(self, part: str = "") -> Figures | None:
        """On a part of the data; the one that the protocol's figure comes from unless given."""
        measured = self.record.measured if self.record else {}
        return measured.get(part or self.training.figure_part)


class Comparison:
    """The trainings of all entries, over one folder of radiographs.

    Parameters
    ----------
    options
        What is the same for all entries; ``out`` and ``init_weights`` are each training's own.
    runs
        Folder of the run folders and their cache; bundles and records go to ``runs/compare``.
    rounds
        How often a radiograph's time is taken.

    Raises
    ------
    RecipeError
        See :class:`train.research.comparison.protocol.Training`.
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
            Training(entry, Protocol.PAPER)
        self._pool = manifest.training_rows(radiographs, options.on_patient_overlap)
        # Of the very rows, so that test films that join them without a clash change nothing.
        self._pool_digest = digest(radiographs, self._pool)
        if options.lungs != "none":
            load_lung_network(Path(options.lungs))  # says what is wrong with it, if anything is
        self._lungs = lungs_digest(options.lungs)

    @property
    def has_test(self) -> bool:
        """Whether the official test films are there."""
        return bool(self.radiographs.split(TEST))

    def results(self) -> list[tuple[Result, Result]]:
        """Where each entry stands, under the paper's protocol and by patient."""
        paper, patient = Protocol
        return [
            (self._result(Training(entry, paper)), self._result(Training(entry, patient)))
            for entry in self.entries
        ]

    def run(self, reporter: Reporter) -> Iterator[None]:
        """Do what is left to do. Yields after each training.

        A failure becomes part of the training's record; an interruption is raised, and what was
        begun goes on the next time.
        """
        for number, entry in enumerate(self.entries, 1):
            for protocol in Protocol:
                training = Training(entry, protocol)
                if protocol is Protocol.PAPER and (is_shared(entry) or self._is_locked(training)):
                    continue
                title = f"{number}/{len(self.entries)} {entry.name}, {protocol}"
                self._run(training, TitledReporter(reporter, title))
                yield

    def _is_locked(self, training: Training) -> bool:
        return training.needs_official_test and not self.has_test

    def _result(self, training: Training) -> Result:
        if self._is_locked(training):
            return Result(training, None, locked=True)
        trained_as = replace(training, protocol=Protocol.PATIENT)
        record = Record.read(self._record(trained_as if is_shared(training.entry) else training))
        return Result(training, record)

    # --- one training ---------------------------------------------------------------------------

    def _run(self, training: Training, reporter: Reporter) -> None:
        path = self._record(training)
        kept = Record.read(path) or Record()
        if kept.learnt_nothing and self._recall(training, kept):
            return  # it would end so again
        anew = kept.learnt_nothing or kept.code == RunError.code
        kept.reason = kept.code = ""
        kept.write(path)  # whatever it failed with before, it is being tried again
        try:
            if kept.cost is None:
                kept.cost = self._train(training, reporter, anew=anew)
                kept.write(path)
            self._measure(training, kept, reporter)
        except DomainError as error:
            kept.reason, kept.code = str(error), error.code
        except Exception as error:  # whatever it is, the other entries go on
            kept.reason, kept.code = f"{type(error).__name__}: {error}", "crash"
            reporter.warn(traceback.format_exc())
        kept.write(path)
        if kept.learnt_nothing and self._recall(training, kept):
            reporter.warn(f"not calibrated: {kept.reason}")
        elif kept.reason:
            reporter.warn(f"failed, and is tried again next time: {kept.reason}")

    def _train(self, training: Training, reporter: Reporter, *, anew: bool) -> Cost:
        """Begin the training, or go on with one that was cut off.

        ``anew``: a run that ended itself (it diverged, say) would end so again.
        """
        out, init_weights = str(self._bundle(training)), training.entry.init_weights
        options = replace(self.options, out=out, init_weights=init_weights)
        folder = runlog.last_run_to(self.runs, out)
        if folder is not None and not anew:
            # The key vouches that films and weights are the same, wherever they lie by now.
            names = ("device", "workers", "data", "on_patient_overlap", "init_weights")
            changes = {name: getattr(options, name) for name in names}
            card = run.resume(folder, changes, reporter)
        else:
            card = run.start(training.recipe, options, self.runs, reporter)
        return Cost.of_card(card, options.device)

    def _recall(self, training: Training, kept: Record) -> bool:
        """Take the figures of a network that learnt nothing from its history, where it is there."""
        folder = runlog.last_run_to(self.runs, str(self._bundle(training)))
        if not kept.measured and folder is not None:
            recipe = training.recipe
            rows = splits.divide(self._pool, recipe.split, self.radiographs.split(TEST)).validation
            try:
                figures = from_history(folder, len(recipe.classes), self.radiographs, rows)
            except (RunError, OSError, ValueError):  # its files are gone: it must be trained again
                return False
            kept.measured[splits.VALIDATION] = figures
            kept.write(self._record(training))
        return bool(kept.measured)

    def _measure(self, training: Training, kept: Record, reporter: Reporter) -> None:
        """Fill in what is not measured yet, or was measured on other films."""
        bundle = self._bundle(training)
        predictor = Predictor.load(bundle, self.options.device)
        for part in training.parts(has_test=self.has_test):
            rows = splits.select_rows(self.radiographs, part, predictor.card)
            before = kept.measured.get(part)
            if before is None or before.digest != digest(self.radiographs, rows):
                kept.measured[part] = measure(
                    predictor, self.radiographs, rows, reporter, self.options.on_bad_image
                )
                kept.write(self._record(training))
        # The split makes no network slower.
        if training.protocol is Protocol.PATIENT and kept.speed is None:
            side = training.recipe.preprocess.size
            kept.speed = time_radiograph(load_classifier(read_bundle(bundle)), side, self.rounds)

    # --- where it is kept -----------------------------------------------------------------------

    def _bundle(self, training: Training) -> Path:
        """A folder whose name changes with whatever changes the training."""
        name = training.entry.name
        key = recipe_key(training.recipe, self._conditions(training))
        return (self.runs / "compare" / name / f"{name}-{training.protocol}-{key}").resolve()

    def _record(self, training: Training) -> Path:
        bundle = self._bundle(training)
        return bundle.with_name(bundle.name + ".json")

    def _conditions(self, training: Training) -> dict[str, Any]:
        resplit = training.recipe.split.scheme == "resplit"
        return {
            "films": self._digest_with_test if resplit else self._pool_digest,
            "init_weights": _weights_digest(training.entry.init_weights),
            "lungs": self._lungs,
            "seed": self.options.seed,
            "on_bad_image": self.options.on_bad_image,
        }

    @cached_property
    def _digest_with_test(self) -> str:
        return digest(self.radiographs, (*self._pool, *self.radiographs.split(TEST)))


@cache
def _weights_digest(source: str) -> str:
    """A file's SHA-256; where it is missing, its name: the training will say so."""
    path = Path(source)
    return file_sha256(path) if path.is_file() else source
