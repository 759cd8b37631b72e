"""A search in an Optuna study: one SQLite file, any number of processes, resumable."""

import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GridSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages.journal import JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from pneumonia.errors import RecipeError, RunError
from train.research.search.space import Space

HEARTBEAT_S = 20
_RETRIES = 3  # a trial whose process was killed as often as that is given up
_BUSY_S = 120  # how long one process waits for another to finish writing
# What a training with unlucky settings may end in. Anything else would end every trial.
_FAILURES = (RunError, RecipeError, RuntimeError, ValueError, ArithmeticError, MemoryError)

Objective = Callable[[dict[str, Any], int], dict[str, Any]]
"""Settings by dotted key, and the trial's number -> its figures, the chosen one among them."""


class Study:
    """The trials of one space in one file.

    Parameters
    ----------
    conditions
        What must be the same for all its trials; a study begun with others is refused.
    worker
        Number of this process among those that search together; they draw apart.

    Raises
    ------
    RunError
        When the file is no study, or its study was begun under other conditions.
    """

    def __init__(
        self,
        file: Path,
        space: Space,
        conditions: dict[str, str],
        worker: int = 0,
        heartbeat_s: int = HEARTBEAT_S,
    ) -> None:
        self.space = space
        self._heartbeat_s = heartbeat_s
        file.parent.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            storage = RDBStorage(
                f"sqlite:///{file}",
                engine_kwargs={"connect_args": {"timeout": _BUSY_S}},
                heartbeat_interval=heartbeat_s,
                grace_period=3 * heartbeat_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_RETRIES),
            )
            self._study = optuna.create_study(
                storage=storage,
                study_name=space.name,
                direction=space.direction,
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, which this package does not name
            raise RunError(
                f"{file} cannot be used as a study ({type(error).__name__}). Give the file of a "
                "search, or a name that is free, with --study."
            ) from error
        self._lock = JournalFileOpenLock(str(file))
        self._check(conditions, file)
        self._study.sampler = self._sampler(worker)

    def _check(self, conditions: dict[str, str], file: Path) -> None:
        began_with = self._study.user_attrs.get("conditions")
        if began_with is None:
            self._study.set_user_attr("conditions", conditions)
        elif began_with != conditions:
            other = sorted(k for k in conditions if began_with.get(k) != conditions[k])
            raise RunError(
                f"The study {file} was begun with other {', '.join(other)}: its trials cannot be "
                "compared with new ones. Name another file with --study."
            )

    def _sampler(self, worker: int) -> BaseSampler:
        if self.space.grid:
            return GridSampler(self.space.axes, seed=0)
        # Its first trials are random: from one seed, each sitting would draw the same ones again.
        seed = 1000 * len(self._study.trials) + worker
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)

    # --- moving on ------------------------------------------------------------------------------

    def work(self, objective: Objective, wanted: int, told: Callable[[FrozenTrial], None]) -> None:
        """Try settings until ``wanted`` trials of the study are settled, by whomever.

        ``told`` hears of each trial that this process settles. A training that fails is a failed
        trial. A trial that is cut off, here or in a process that died, is tried again.
        """
        while wanted > len(self.settled()):
            with ExitStack() as turn:
                # Of those who search together one counts and draws at a time, so that none draws
                # what another has just begun, nor a trial more than is wanted.
                self._lock.acquire()
                turn.callback(self._lock.release)
                fail_stale_trials(self._study)
                if wanted > len(self.settled()) + len(self._of(TrialState.RUNNING)):
                    self._try_one(objective, told, turn.close)
                    continue
            time.sleep(self._heartbeat_s / 20)  # others are at it; should one die, it is ours

    def _try_one(
        self,
        objective: Objective,
        told: Callable[[FrozenTrial], None],
        has_drawn: Callable[[], None],
    ) -> None:
        asked: list[int] = []

        def run(trial: optuna.Trial) -> float:
            asked.append(trial.number)
            changes = self.space.suggest(trial)
            has_drawn()
            try:
                figures = objective(changes, trial.number)
            except _FAILURES as error:
                trial.set_user_attr("reason", str(error) or type(error).__name__)
                raise
            for name, value in figures.items():
                trial.set_user_attr(name, value)
            return float(figures[f"val_{self.space.choose}"])

        try:
            self._study.optimize(run, n_trials=1, catch=_FAILURES)
        except BaseException:
            if asked:
                RetryHeartbeatStaleTrialCallback()(self._study, self._study.trials[asked[0]])
            raise
        told(self._study.trials[asked[0]])

    # --- where it stands ------------------------------------------------------------------------

    def settled(self) -> list[FrozenTrial]:
        """Trials that came to an end, in order; not those that were cut off and begun again."""
        trials = self._study.trials
        again = {n for trial in trials for n in trial.system_attrs.get("retry_history", ())}
        return [t for t in trials if t.state.is_finished() and t.number not in again]

    def ranked(self) -> list[FrozenTrial]:
        """Settled trials, the best first and those that failed last."""
        sign = 1 if self.space.choose == "loss" else -1

        def place(trial: FrozenTrial) -> tuple[bool, float, int]:
            failed = trial.value is None
            return failed, 0.0 if trial.value is None else sign * trial.value, trial.number

        return sorted(self.settled(), key=place)

    def _of(self, state: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(state,))
