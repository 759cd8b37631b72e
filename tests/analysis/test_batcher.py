"""The batcher's promises, with predictors that count, wait or fail."""

import queue
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
        assert self.open.wait(10)
        values = [float(one.pixels[0, 0]) for one in radiographs]
        if 0.5 in values:
            raise RuntimeError("half")
        return values


@pytest.fixture
def counting():
    return Counting()


def batcher(counting, **limits) -> Batcher:
    limits = {"max_batch": 4, "queue_size": 8, "timeout_s": 5.0} | limits
    return Batcher(counting.predict, **limits)


def submit_while_busy(own: Batcher, counting: Counting, values: list[float]):
    """Hold the predictor on a first film, queue the values behind it, then let go."""
    counting.open.clear()
    pool = ThreadPoolExecutor(len(values) + 1)
    first = pool.submit(own.submit, radiograph(0))
    assert counting.entered.wait(5)
    rest = [pool.submit(own.submit, radiograph(v)) for v in values]
    while own._jobs.qsize() < len(values):
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
        assert counting.entered.wait(5)
        held += [pool.submit(own.submit, radiograph(0)) for _ in range(2)]
        while own._jobs.qsize() < 2:
            time.sleep(0.001)
        with pytest.raises(Overloaded, match="2 images are waiting already"):
            own.submit(radiograph(1))
        counting.open.set()
        assert [job.result() for job in held] == [0, 0, 0]
    own.close()


def test_a_radiograph_that_waits_too_long_is_given_up_and_never_computed(counting) -> None:
    own = batcher(counting, timeout_s=0.05)
    counting.open.clear()
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(own.submit, radiograph(0))]
        assert counting.entered.wait(5)
        jobs.append(pool.submit(own.submit, radiograph(0.25)))
        for job in jobs:
            with pytest.raises(AnalysisTimeout, match=r"within 0\.05 seconds"):
                job.result()
    counting.open.set()
    assert own._thread.is_alive()
    own.close()
    own._thread.join(5)
    assert counting.batches == [1]


def test_a_closed_batcher_takes_nothing(counting) -> None:
    own = batcher(counting)
    own.close()
    assert not own._thread.is_alive()
    with pytest.raises(Overloaded):
        own.submit(radiograph(1))


def test_no_job_comes_to_lie_behind_the_closing_mark(counting) -> None:
    """One that has passed the check when the batcher closes is still answered."""
    entered, go_on = threading.Event(), threading.Event()

    class Slow(queue.Queue):
        def put_nowait(self, job):
            entered.set()
            go_on.wait(10)
            super().put_nowait(job)

    own = batcher(counting, timeout_s=20.0)
    own._jobs.__class__ = Slow
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(own.submit, radiograph(0.4))
        assert entered.wait(10)
        closed = pool.submit(own.close)
        time.sleep(0.05)  # closing must wait; were it not to, the mark would come first
        go_on.set()
        assert asked.result(20) == pytest.approx(0.4)
        closed.result(20)
