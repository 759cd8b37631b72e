"""The study itself, with figures instead of trainings."""

import pytest

from train.search.space import Range, Space
from train.search.study import Study


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
