"""The study itself, with figures instead of trainings."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from filelock import FileLock

from train.research.search.space import Range, Space
from train.research.search.study import Study


@pytest.fixture
def space() -> Space:
    return Space(
        name="ranges",
        title="",
        recipe="pneunet",
        choose="loss",
        trials=5,
        ranges={
            "optimiser.head_rate": Range(1e-4, 1e-2, log=True),
            "training.batch_size": Range(8, 64, whole=True),
        },
    )


def figures(changes, _number):
    return {"val_loss": abs(changes["training.batch_size"] - 32) / 32}


def test_each_sitting_and_worker_draws_other_settings(space, tmp_path) -> None:
    tried = []
    for worker, wanted in ((0, 2), (0, 4), (1, 5)):
        study = Study(tmp_path / "s.db", space, {}, worker)
        study.work(figures, wanted, lambda trial: tried.append(tuple(trial.params.values())))
    assert len(set(tried)) == len(tried) == 5
    assert all(isinstance(batch, int) for _, batch in tried)
    ranked = study.ranked()
    assert [t.value for t in ranked] == sorted(t.value for t in ranked)


def test_a_figure_that_is_no_number_is_a_failure(space, tmp_path) -> None:
    study = Study(tmp_path / "s.db", space, {})
    study.work(lambda *_: {"val_loss": float("nan")}, 1, lambda _: None)
    assert [trial.value for trial in study.settled()] == [None]


def test_what_would_fail_every_trial_ends_the_search(space, tmp_path) -> None:
    def missing(*_):
        raise FileNotFoundError("films")

    study = Study(tmp_path / "s.db", space, {})
    with pytest.raises(FileNotFoundError, match="films"):
        study.work(missing, 4, lambda _: None)
    assert study.settled() == []
    study.work(figures, 1, lambda _: None)  # the trial that was cut off, with its settings
    assert study.settled()[0].system_attrs["retry_history"] == [0]


def search_together(folder, space, workers, wanted) -> list:
    """Settled trials of several workers over one file, each with a study of its own."""
    studies = [Study(folder / "s.db", space, {}, n) for n in range(workers)]

    def slow(changes, _number):
        time.sleep(0.02)
        return {"val_loss": float(len(changes))}

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda study: study.work(slow, wanted, lambda _: None), studies))
    return studies[0].settled()


def test_workers_together_settle_as_many_trials_as_are_wanted(space, tmp_path) -> None:
    assert len(search_together(tmp_path, space, 3, 7)) == 7
    assert list(tmp_path.glob("*-trial-*")) == []
    with FileLock(tmp_path / "s.db.lock", timeout=0):
        pass  # nobody holds the study any more


def test_a_trial_that_settles_while_another_worker_counts_is_counted_once(
    space, tmp_path, monkeypatch
) -> None:
    """Whatever the other worker reads, a trial that is running then settles before it goes on."""
    running, settle = threading.Event(), threading.Event()

    def held(changes, _number):
        running.set()
        settle.wait(60)
        settle.clear()
        return figures(changes, _number)

    other = Study(tmp_path / "s.db", space, {}, 1)
    read_trials, counting = optuna.Study.get_trials, threading.current_thread()

    def read_and_let_the_other_go_on(study, *args, **options):
        found = read_trials(study, *args, **options)
        if threading.current_thread() is counting and running.is_set():
            running.clear()
            settle.set()
            running.wait(1)  # until it runs its next trial, if it may have one
        return found

    study = Study(tmp_path / "s.db", space, {})
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(other.work, held, 2, lambda _: None)
        assert running.wait(60)
        monkeypatch.setattr(optuna.Study, "get_trials", read_and_let_the_other_go_on)
        study.work(figures, 2, lambda _: None)
        settle.set()
        working.result(60)
    assert len(study.settled()) == 2


def test_two_spaces_in_one_file_do_not_wait_for_each_other(space, tmp_path) -> None:
    study, other = (Study(tmp_path / "s.db", replace(space, name=name), {}) for name in "ab")

    def meanwhile(changes, number):
        other.work(figures, 1, lambda _: None)
        return figures(changes, number)

    study.work(meanwhile, 1, lambda _: None)
    assert [len(each.settled()) for each in (study, other)] == [1, 1]


def kill_a_worker(space: Space, file: Path, worker: int) -> int:
    """Have another process claim a trial and be killed over it. Returns the trial's batch size."""
    read, write = os.pipe()

    def killed(changes, _number):
        os.write(write, str(changes["training.batch_size"]).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    if not (child := os.fork()):  # a copy of this process has all imports
        try:
            Study(file, space, {}, worker).work(killed, 5, lambda _: None)
        finally:
            os._exit(1)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with os.fdopen(read) as pipe:
        return int(pipe.read())


def test_what_a_killed_worker_claimed_is_claimed_again_at_once(
    space, tmp_path, monkeypatch
) -> None:
    batch_size = kill_a_worker(space, tmp_path / "s.db", 1)
    study = Study(tmp_path / "s.db", space, {})
    assert study.settled() == []
    at_once = SimpleNamespace(sleep=lambda _: pytest.fail("it waited"))
    monkeypatch.setattr("train.research.search.study.time", at_once)
    study.work(figures, 1, lambda _: None)
    (trial,) = study.settled()
    assert trial.params["training.batch_size"] == batch_size
    assert trial.system_attrs["retry_history"] == [0]
    assert list(tmp_path.glob("*-trial-*")) == []


def test_a_trial_that_kills_whoever_trains_it_is_given_up(space, tmp_path) -> None:
    sizes = [kill_a_worker(space, tmp_path / "s.db", worker) for worker in range(4)]
    assert len(set(sizes)) == 1
    study = Study(tmp_path / "s.db", space, {})
    tried = []
    study.work(figures, 2, tried.append)
    assert [trial.value is None for trial in study.settled()] == [True, False]
    assert [trial.params["training.batch_size"] == sizes[0] for trial in tried] == [False]


def test_a_trial_that_nobody_holds_is_claimed_again(space, tmp_path) -> None:
    """As a process leaves it that dies between drawing a trial and training it."""
    study = Study(tmp_path / "s.db", space, {})
    optuna.load_study(study_name="ranges", storage=f"sqlite:///{tmp_path / 's.db'}").ask()
    study.work(figures, 1, lambda _: None)
    assert [trial.number for trial in study.settled()] == [1]


def test_a_trial_put_back_half_way_is_queued_once(space, tmp_path) -> None:
    """As a process leaves it that dies between queueing its settings again and ending it."""
    study = Study(tmp_path / "s.db", space, {})
    plain = optuna.load_study(study_name="ranges", storage=f"sqlite:///{tmp_path / 's.db'}")
    plain.ask(space.distributions)
    optuna.storages.RetryHeartbeatStaleTrialCallback()(plain, plain.trials[0])
    study.work(figures, 3, lambda _: None)
    histories = [trial.system_attrs.get("retry_history") for trial in study.settled()]
    assert histories.count([0]) == 1
    assert len(histories) == 3


def test_workers_together_try_each_point_of_a_grid_once(tmp_path) -> None:
    points = {f"point {n}": {"optimiser.head_rate": 10.0**-n} for n in range(9)}
    grid = Space(name="grid", title="", recipe="pneunet", choose="loss", grid={"rate": points})
    settled = search_together(tmp_path, grid, 3, grid.size)
    assert sorted(trial.params["rate"] for trial in settled) == sorted(points)
