"""An Optuna study of one space: one SQLite file, any number of processes, resumable.

Whoever trains a trial holds a file lock on it, which the system gives back when its process ends,
however it ends. A trial that is running but not locked was cut off: anybody may claim it again.
Claims, and the ends of trials, are written one at a time, under a lock on the whole study, so that
what is counted before a claim is still so when it is made.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from pneumonia.errors import RecipeError, RunError
from train.research.search.space import Space

_RETRIES = 3  # a trial whose process was killed as often as that is given up
_BUSY_S = 120  # how long one process waits for another to finish writing
_WAIT_S = 0.2  # between looks for a trial to claim, while others are at the last ones
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
        self, file: Path, space: Space, conditions: dict[str, str], worker: int = 0
    ) -> None:
        self.space, self._file = space, file
        file.parent.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            self._study = optuna.create_study(
                storage=RDBStorage(
                    f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": _BUSY_S}}
                ),
                study_name=space.name,
                direction="minimize" if space.choose == "loss" else "maximize",
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, which this package does not name
            raise RunError(
                f"{file} cannot be used as a study ({type(error).__name__}). Give the file of a "
                "search, or a name that is free, with --study."
            ) from error
        self._check(conditions)
        # Its first trials are random: from one seed, each sitting would draw the same ones again.
        seed = 1000 * len(self._study.trials) + worker
        self._study.sampler = TPESampler(seed=seed, multivariate=True, constant_liar=True)
        with self._whole_study():
            for point in space.points:
                self._study.enqueue_trial(point, skip_if_exists=True)

    def _check(self, conditions: dict[str, str]) -> None:
        began_with = self._study.user_attrs.get("conditions")
        if began_with is None:
            self._study.set_user_attr("conditions", conditions)
        elif began_with != conditions:
            other = sorted(k for k in conditions if began_with.get(k) != conditions[k])
            raise RunError(
                f"The study {self._file} was begun with other {', '.join(other)}: its trials "
                "cannot be compared with new ones. Name another file with --study."
            )

    # --- where it stands ------------------------------------------------------------------------

    def settled(self) -> list[FrozenTrial]:
        """Trials that came to an end, in order; not those that were cut off and begun again."""
        return [trial for trial in self._counted() if trial.state.is_finished()]

    def ranked(self) -> list[FrozenTrial]:
        """Settled trials, the best first and those that failed last."""
        sign = 1 if self.space.choose == "loss" else -1

        def place(trial: FrozenTrial) -> tuple[bool, float, int]:
            failed = trial.value is None
            return failed, 0.0 if trial.value is None else sign * trial.value, trial.number

        return sorted(self.settled(), key=place)

    def _counted(self) -> list[FrozenTrial]:
        """Trials that are settled or running, from one reading of the file."""
        trials = self._study.get_trials(deepcopy=False)
        again = {n for trial in trials for n in trial.system_attrs.get("retry_history", ())}
        return [t for t in trials if t.state != TrialState.WAITING and t.number not in again]

    # --- moving on ------------------------------------------------------------------------------

    def work(self, objective: Objective, wanted: int, told: Callable[[FrozenTrial], None]) -> None:
        """Try settings until ``wanted`` trials of the study are settled, by whomever.

        ``told`` hears of each trial that this process settles. A training that fails is a failed
        trial. A trial that is cut off, here or in a process that died, is tried again.
        """
        while wanted > len(self.settled()):
            with self._claim(wanted) as trial:
                done = self._settle(trial, objective) if trial else None
            if done:
                told(done)
            else:
                time.sleep(_WAIT_S)  # others are at it; should one die, its trial is ours

    @contextmanager
    def _claim(self, wanted: int) -> Iterator[optuna.Trial | None]:
        """A trial with its settings drawn, held while the block lasts; None if none is wanted."""
        with self._whole_study():
            self._put_back_abandoned()
            if wanted <= len(self._counted()):
                yield None
                return
            trial = self._study.ask(self.space.distributions)
            held = self._hold(trial.number)
            held.acquire()
        try:
            yield trial
        finally:
            with self._whole_study():
                self._put_back(self._study.trials[trial.number])
                self._release(held)

    def _settle(self, trial: optuna.Trial, objective: Objective) -> FrozenTrial:
        value = math.nan
        try:
            figures = objective(self.space.settings(trial.params), trial.number)
            value = float(figures[f"val_{self.space.choose}"])
        except _FAILURES as error:
            figures = {"reason": str(error) or type(error).__name__}
        for name, figure in figures.items():
            trial.set_user_attr(name, figure)
        with self._whole_study():
            if math.isnan(value):
                return self._study.tell(trial, state=TrialState.FAIL)
            return self._study.tell(trial, value)

    def _put_back_abandoned(self) -> None:
        """Make the trials of dead processes claimable again: those that nobody holds."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            held = self._hold(trial.number)
            with suppress(Timeout):
                held.acquire(blocking=False)
                self._put_back(trial, _RETRIES)
                self._release(held)

    def _put_back(self, trial: FrozenTrial, retries: int | None = None) -> None:
        """Queue the settings of a trial that is not settled again, and end the trial itself.

        In this order, and once only: whatever moment this is cut off at, no settings are lost.
        """
        if trial.state.is_finished():
            return
        queued = (other.system_attrs.get("retry_history", ()) for other in self._study.trials)
        if not any(trial.number in history for history in queued):
            RetryHeartbeatStaleTrialCallback(retries)(self._study, trial)
        self._study.tell(trial.number, state=TrialState.FAIL)

    # --- locks ----------------------------------------------------------------------------------

    def _whole_study(self) -> FileLock:
        return FileLock(f"{self._file}.lock")

    def _hold(self, number: int) -> FileLock:
        """A trial's own lock. It is taken, and its file removed, under that of the whole study."""
        return FileLock(f"{self._file}.{self.space.name}-trial-{number}.lock")

    @staticmethod
    def _release(held: FileLock) -> None:
        held.release()
        Path(held.lock_file).unlink(missing_ok=True)
