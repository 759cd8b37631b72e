"""The study itself, with figures instead of trainings."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

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
    studies = [Study(folder / "s.db", space, {}, n, heartbeat_s=1) for n in range(workers)]

    def slow(changes, _number):
        time.sleep(0.02)
        return {"val_loss": float(len(changes))}

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda study: study.work(slow, wanted, lambda _: None), studies))
    return studies[0].settled()


def test_workers_together_settle_as_many_trials_as_are_wanted(space, tmp_path) -> None:
    assert len(search_together(tmp_path, space, 3, 7)) == 7
    assert not (tmp_path / "s.db.lock").exists()


def test_workers_together_try_each_point_of_a_grid_once(tmp_path) -> None:
    points = {f"point {n}": {"optimiser.head_rate": 10.0**-n} for n in range(9)}
    grid = Space(name="grid", title="", recipe="pneunet", choose="loss", grid={"rate": points})
    settled = search_together(tmp_path, grid, 3, grid.size)
    assert sorted(trial.params["rate"] for trial in settled) == sorted(points)
