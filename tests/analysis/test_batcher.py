"""The batcher's promises, with predictors that count, wait or fail."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pneumonia.analysis.batcher import Batcher
from pneumonia.errors import AnalysisFailed, AnalysisTimeout, Overloaded
from pneumonia.imaging import Radiograph


def radiograph(value: float) -> Radiograph:
    return Radiograph(np.full((2, 2), value, np.float32), "PNG", 8, (0, 1), "")


class Counting:
    """Answers each film with its own grey level; opens when told, fails on 0.5."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def predict(self, radiographs):
        self.batches.append(len(radiographs))
        self.entered.set()
        assert self.open.wait(60)
        values = [float(one.pixels[0, 0]) for one in radiographs]
        if 0.5 in values:
            raise RuntimeError("half")
        return values


@pytest.fixture
def counting():
    return Counting()


def batcher(counting, **limits) -> Batcher:
    limits = {"max_batch": 4, "queue_size": 8, "wait_s": 10.0, "timeout_s": 10.0} | limits
    return Batcher(counting.predict, **limits)


def submit_while_busy(own: Batcher, counting: Counting, values: list[float]):
    """Hold the predictor on a first film, queue the values behind it, then let go."""
    counting.open.clear()
    pool = ThreadPoolExecutor(len(values) + 1)
    first = pool.submit(own.submit, radiograph(0))
    assert counting.entered.wait(60)
    rest = [pool.submit(own.submit, radiograph(v)) for v in values]
    while len(own._waiting) < len(values):
        time.sleep(0.001)
    counting.open.set()
    return first, rest


def test_each_radiograph_gets_its_own_answer_in_batches_of_at_most_four(counting) -> None:
    own = batcher(counting)
    values = [v / 16 for v in range(1, 8)]
    first, rest = submit_while_busy(own, counting, values)
    assert first.result() == 0
    assert [job.result() for job in rest] == values
    assert counting.batches == [1, 4, 3]
    own.close()


def test_a_bad_radiograph_fails_alone(counting) -> None:
    own = batcher(counting)
    _, rest = submit_while_busy(own, counting, [0.25, 0.5, 0.75])
    assert rest[0].result() == 0.25
    assert rest[2].result() == 0.75
    with pytest.raises(AnalysisFailed, match="RuntimeError"):
        rest[1].result()
    assert own.submit(radiograph(1)) == 1
    own.close()


def test_a_full_queue_refuses_at_once(counting) -> None:
    own = batcher(counting, queue_size=2)
    counting.open.clear()
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(own.submit, radiograph(0))]
        assert counting.entered.wait(60)
        held += [pool.submit(own.submit, radiograph(0)) for _ in range(2)]
        while len(own._waiting) < 2:
            time.sleep(0.001)
        with pytest.raises(Overloaded, match="2 images are waiting already"):
            own.submit(radiograph(1))
        counting.open.set()
        assert [job.result() for job in held] == [0, 0, 0]
    own.close()


def test_a_radiograph_that_waits_too_long_is_refused_and_never_computed(counting) -> None:
    own = batcher(counting, wait_s=0.05)
    counting.open.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(own.submit, radiograph(0))
        assert counting.entered.wait(60)
        with pytest.raises(Overloaded, match=r"waiting for 0\.05 seconds, and nothing was done"):
            own.submit(radiograph(0.25))
        assert len(own._waiting) == 0  # it holds no place either
        counting.open.set()
        assert first.result() == 0
    own.close()
    assert counting.batches == [1]


def test_a_closed_batcher_takes_nothing(counting) -> None:
    own = batcher(counting)
    own.close()
    assert not own._thread.is_alive()
    with pytest.raises(Overloaded):
        own.submit(radiograph(1))


def test_what_waits_when_it_closes_is_still_answered(counting) -> None:
    own = batcher(counting)
    counting.open.clear()
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(own.submit, radiograph(0.25))]
        assert counting.entered.wait(60)
        held.append(pool.submit(own.submit, radiograph(0.75)))
        while len(own._waiting) < 1:
            time.sleep(0.001)
        closed = pool.submit(own.close)
        counting.open.set()
        assert [job.result() for job in held] == [0.25, 0.75]
        closed.result(10)
    assert not own._thread.is_alive()


class Hanging(Counting):
    """Never comes back from a film of 0.5 until it is let go, whoever it is with."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def predict(self, radiographs):
        values = super().predict([one for one in radiographs if one.pixels[0, 0] != 0.5])
        if len(values) < len(radiographs):
            self.let_go.wait(30)
        return [float(one.pixels[0, 0]) for one in radiographs]


@pytest.fixture
def hanging():
    hanging = Hanging()
    yield hanging
    hanging.let_go.set()


def test_a_hanging_network_fails_its_own_film_and_the_next_is_answered(hanging) -> None:
    own = batcher(hanging, timeout_s=0.2)
    with pytest.raises(AnalysisTimeout, match=r"within 0\.2 seconds"):
        own.submit(radiograph(0.5))
    own._timeout_s = 60
    assert own.submit(radiograph(0.25)) == 0.25
    own.close()


def test_the_films_that_shared_a_batch_with_one_that_hangs_are_answered(hanging) -> None:
    own = batcher(hanging, timeout_s=1)
    _, rest = submit_while_busy(own, hanging, [0.25, 0.5, 0.75])
    assert (rest[0].result(), rest[2].result()) == (0.25, 0.75)
    with pytest.raises(AnalysisTimeout):
        rest[1].result()
    own.close()


def test_a_network_that_always_hangs_is_said_to_be_stuck(hanging) -> None:
    stuck = threading.Event()
    own = batcher(hanging, timeout_s=0.05, when_stuck=stuck.set)
    for left in (2, 1, 0):
        assert not stuck.is_set()
        with pytest.raises(AnalysisTimeout):
            own.submit(radiograph(0.5))
        assert stuck.is_set() == (left == 0)
    own.close()


def test_a_thread_that_comes_back_late_takes_no_more_films(hanging) -> None:
    own = batcher(hanging, timeout_s=0.05)
    late = own._thread
    with pytest.raises(AnalysisTimeout):
        own.submit(radiograph(0.5))
    hanging.let_go.set()
    late.join(60)
    assert not late.is_alive()
    assert own._thread is not late
    own._timeout_s = 60
    assert own.submit(radiograph(0.25)) == 0.25
    own.close()
