"""A search's worker processes: each claims trials of one study until all are settled."""

import multiprocessing
import signal

import torch
from optuna.trial import FrozenTrial

from pneumonia.errors import RunError
from train.reporter import Reporter
from train.research.comparison.table import duration
from train.research.search import results
from train.research.search.plan import Search
from train.research.search.study import Study


def run_search(plan: Search, workers: int, reporter: Reporter) -> list[FrozenTrial]:
    """Search until the plan's trials are settled, and write the tables beside the study.

    What is there of an earlier sitting counts. With several workers the first trial is run before
    they start, because it computes what all share.

    Returns
    -------
    The settled trials, the best first and those that failed last.

    Raises
    ------
    RunError
        See :class:`train.research.search.study.Study`; or when a worker died.
    """
    study = _study(plan)
    settled = len(study.settled())
    reporter.line(f"study {plan.file}: {settled} of {plan.wanted} trials settled")
    try:
        _work(
            plan, study, plan.wanted if workers == 1 else min(plan.wanted, settled or 1), reporter
        )
        if workers > 1 and len(study.settled()) < plan.wanted:
            _work_together(plan, workers, reporter)
    finally:
        trials = study.ranked()
        results.write(plan, trials)
    return trials


def _study(plan: Search, worker: int = 0) -> Study:
    return Study(plan.file, plan.space, plan.conditions(), worker)


def _work(plan: Search, study: Study, wanted: int, reporter: Reporter) -> None:
    """Run trials in this process until ``wanted`` of the study's are settled."""

    def told(done: FrozenTrial) -> None:
        words = f"trial {done.number} ({len(study.settled())}/{plan.wanted})"
        if done.value is None:
            reason = done.user_attrs.get("reason", "its figure is not a number")
            reporter.warn(f"{words} failed: {reason}")
            return
        reporter.line(
            f"{words}: {plan.space.choose} {done.value:.4f}, best so far "
            f"{study.ranked()[0].value:.4f} ({duration(done.user_attrs['seconds'])})"
        )

    study.work(lambda settings, n: plan.train(settings, n, reporter), wanted, told)


def _work_together(plan: Search, workers: int, reporter: Reporter) -> None:
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    processes = [
        context.Process(target=_work_aside, args=(plan, n, threads, reporter))
        for n in range(1, workers + 1)
    ]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:  # SIGTERM means "put the trial back" to them
            process.terminate()
        for process in processes:
            process.join()
        raise
    if any(process.exitcode for process in processes):
        raise RunError(
            "A process of the search ended early; what it says stands above. Its trial is tried "
            "again when the search goes on: give the same command."
        )


def _work_aside(plan: Search, worker: int, threads: int, reporter: Reporter) -> None:
    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):  # the trial is put back undisturbed
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    torch.set_num_threads(threads)
    try:
        _work(plan, _study(plan, worker), plan.wanted, reporter)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
