"""The whole search: several processes over one study, and the report of what they found."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial

from pneumonia.analysis.bundle import file_sha256
from pneumonia.analysis.lung_segmenter import digest as lungs_digest
from pneumonia.errors import RunError
from train.data import manifest, splits
from train.loop import run
from train.recipes import dotted
from train.recipes.recipe import Recipe
from train.reporter import Reporter
from train.research.comparison.line import duration
from train.research.comparison.record import key
from train.research.search import results, trial
from train.research.search.results import Found
from train.research.search.space import Space, base, split_by_patient
from train.research.search.study import HEARTBEAT_S, Study


@dataclass(frozen=True, slots=True)
class Search:
    """All that the processes of a search share; it is handed to each.

    Attributes
    ----------
    changes
        Settings of every trial, over the space's recipe and under what the space tries.
    wanted
        Trials of the whole search.
    """

    space: Space
    file: Path
    options: run.Options
    changes: dict[str, Any]
    runs: Path
    wanted: int
    command: str
    heartbeat_s: int = HEARTBEAT_S

    @property
    def recipe(self) -> Recipe:
        return base(self.space, self.changes | dotted.flatten(self.space.budget))

    def study(self, worker: int = 0) -> Study:
        return Study(self.file, self.space, self._conditions(), worker, self.heartbeat_s)

    def _conditions(self) -> dict[str, str]:
        options, weights = self.options, Path(self.options.init_weights)
        radiographs = manifest.load(Path(options.data))
        pool = manifest.training_rows(radiographs, options.on_patient_overlap)
        prose = {"title", "paper", "trials"}  # and how long it goes on
        return {
            "space": repr({k: v for k, v in asdict(self.space).items() if k not in prose}),
            "recipe": key(self.recipe, {}),
            "settings": repr(self.changes),
            "films": manifest.Manifest(radiographs.root, pool).digest(),
            "on_bad_image": options.on_bad_image,
            "initial weights": file_sha256(weights) if weights.is_file() else str(weights),
            "lung network": lungs_digest(options.lungs),
            "seed": str(options.seed),
        }


def search(plan: Search, workers: int, reporter: Reporter) -> Found:
    """Search until the plan's trials are settled, and write the tables beside the study.

    What is there of an earlier sitting counts. With several workers the first trial is run before
    they start, because it computes what all share.

    Raises
    ------
    RunError
        See :class:`train.research.search.study.Study`; or when a worker died.
    """
    _check(plan)
    study = plan.study()
    settled = len(study.settled())
    reporter.line(f"study {plan.file}: {settled} of {plan.wanted} trials settled")
    try:
        alone = plan.wanted if workers == 1 else min(plan.wanted, settled or 1)
        work(plan, study, alone, reporter)
        if workers > 1 and len(study.settled()) < plan.wanted:
            _work_together(plan, workers, reporter)
    finally:
        found = _found(plan, study)
        results.write(found, plan.file.parent)
    return found


def _check(plan: Search) -> None:
    """What would make every trial fail is said before the first."""
    recipe, options = plan.recipe, plan.options
    radiographs = manifest.load(Path(options.data))
    pool = manifest.training_rows(radiographs, options.on_patient_overlap)
    splits.divide(pool, recipe.split)


def work(plan: Search, study: Study, wanted: int, reporter: Reporter) -> None:
    """Run trials in this process until ``wanted`` of the study's are settled."""
    recipe = plan.recipe

    def objective(changes: dict[str, Any], number: int) -> dict[str, Any]:
        name = f"{plan.space.name} trial {number}"
        return trial.train(recipe.with_changes(changes), plan.options, plan.runs, name, reporter)

    def told(done: FrozenTrial) -> None:
        kept, best = done.user_attrs, study.ranked()[0].value
        words = f"trial {done.number} ({len(study.settled())}/{plan.wanted})"
        if done.value is None:
            reason = kept.get("reason", "its figure is not a number")
            reporter.warn(f"{words} failed: {reason}")
            return
        reporter.line(
            f"{words}: {plan.space.choose} {done.value:.4f}, best so far {best:.4f} "
            f"({duration(kept['seconds'])})"
        )

    study.work(objective, wanted, told)


def _work_together(plan: Search, workers: int, reporter: Reporter) -> None:
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    processes = [
        context.Process(target=_work_aside, args=(plan, n, threads, reporter))
        for n in range(1, workers + 1)
    ]
    with _running(processes):
        for process in processes:
            process.join()
    if any(process.exitcode for process in processes):
        raise RunError(
            "A process of the search ended early; what it says stands above. Its trial is tried "
            "again when the search goes on: give the same command."
        )


@contextmanager
def _running(processes: Sequence[BaseProcess]) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    except KeyboardInterrupt:
        for process in processes:  # SIGTERM means "put the trial back" to them
            process.terminate()
        for process in processes:
            process.join()
        raise


def _work_aside(plan: Search, worker: int, threads: int, reporter: Reporter) -> None:
    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):  # the trial is put back undisturbed
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    torch.set_num_threads(threads)
    try:
        work(plan, plan.study(worker), plan.wanted, reporter)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _found(plan: Search, study: Study) -> Found:
    return Found(
        space=plan.space,
        trials=study.ranked(),
        wanted=plan.wanted,
        changes=split_by_patient() | plan.changes,
        data=Path(plan.options.data).name,
        command=plan.command,
    )
