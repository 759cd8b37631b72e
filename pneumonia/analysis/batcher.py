"""Concurrent requests -> batches for one Predictor: bounded, with deadlines, no idle waiting.

A batch is whatever is waiting when the predictor becomes free, so a lone film is never delayed. A
batch that fails is tried again film by film, so that a bad one fails alone; one that hangs is left
behind with its thread, another thread goes on, and its films are tried again one by one.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from pneumonia.analysis.finding import Finding
from pneumonia.errors import AnalysisFailed, AnalysisTimeout, DomainError, Overloaded
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.telemetry import BATCH, HUNG, QUEUE, STAGE_SECONDS

Predict = Callable[[Sequence[Radiograph]], Sequence[Finding | DomainError]]

MOST_HUNG = 3
"""Threads left behind in a network that never came back; then the process is worth replacing."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Job:
    radiograph: Radiograph
    is_alone: bool
    begun: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    is_batched: bool = False
    since: float = field(default_factory=time.monotonic)
    result: "Future[Finding]" = field(default_factory=Future)


class Batcher:
    """One thread that owns the predictor; any number of threads that hand it films.

    Parameters
    ----------
    max_batch
        Films analysed together at most.
    queue_size
        Films that may wait.
    wait_s
        How long one may wait before the predictor takes it.
    timeout_s
        How long the predictor may have it; then it hangs.
    when_stuck
        Called where the predictor hangs in :data:`MOST_HUNG` threads at once.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        max_batch: int,
        queue_size: int,
        wait_s: float,
        timeout_s: float,
        when_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._predict = predict
        self._max_batch, self._queue_size = max_batch, queue_size
        self._wait_s, self._timeout_s = wait_s, timeout_s
        self._when_stuck = when_stuck
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._hung: list[threading.Thread] = []
        with self._changed:
            self._thread = self._start_thread()

    def submit(self, radiograph: Radiograph) -> Finding:
        """Wait for a film's finding.

        Raises
        ------
        UnreadableRadiograph
            When the gate refuses the film.
        Overloaded
            At once, when too many films wait already; or when the predictor did not come to it in
            time, and then it never will.
        AnalysisTimeout
            When the predictor hangs on it.
        AnalysisFailed
            When the network failed on this film, or its answer is not a number.
        """
        # Which film of a batch the predictor hangs on is not known, so each has a second turn.
        for is_alone, wait_s in ((False, self._wait_s), (True, self._wait_s + self._timeout_s)):
            job = _Job(radiograph, is_alone)
            self._put(job)
            self._await_turn(job, wait_s)
            try:
                with STAGE_SECONDS.labels("network").time():
                    return job.result.result(timeout=self._timeout_s)
            except TimeoutError:
                self._leave_behind(job)
            if not job.is_batched:
                break
        raise AnalysisTimeout(
            f"The network did not answer within {self._timeout_s:g} seconds, and was given up on "
            "this image. Try again; if it stays so, tell whoever runs this server."
        )

    def _put(self, job: _Job) -> None:
        with self._changed:
            if self._closed or len(self._waiting) >= self._queue_size:
                raise Overloaded(
                    f"{self._queue_size} images are waiting already. Try again in a few seconds."
                )
            self._waiting.append(job)
            QUEUE.set(len(self._waiting))
            self._changed.notify_all()

    def _await_turn(self, job: _Job, wait_s: float) -> None:
        if job.begun.wait(wait_s):
            return
        with self._changed:
            if job not in self._waiting:  # it was taken at the last moment
                return
            self._waiting.remove(job)
            QUEUE.set(len(self._waiting))
        raise Overloaded(
            f"The images before this one kept it waiting for {wait_s:g} seconds, and nothing was "
            "done with it. Try again in a few seconds."
        )

    def _leave_behind(self, job: _Job) -> None:
        """Let another thread go on, unless one does already, or the answer has just come."""
        with self._changed:
            if job.thread is not self._thread or job.result.done():
                return
            self._hung = [one for one in (*self._hung, self._thread) if one.is_alive()]
            hung = len(self._hung)
            self._thread = self._start_thread()
            self._changed.notify_all()
        HUNG.inc()
        _log.error("the network has not answered for %g s; %d hang", self._timeout_s, hung)
        if hung >= MOST_HUNG:
            self._when_stuck()

    def close(self) -> None:
        """Finish what is waiting, take nothing more, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=self._timeout_s)

    # --- the thread -----------------------------------------------------------------------------

    def _start_thread(self) -> threading.Thread:
        """To be called under the lock: the thread looks at once whether it is the one."""
        thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        while batch := self._take():
            self._run(batch)

    def _take(self) -> list[_Job]:
        """The next batch; empty where there will be none for this thread."""
        me = threading.current_thread()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or self._thread is not me)
            if self._thread is not me or not self._waiting:
                return []
            batch = [self._waiting.popleft()]
            while (
                self._waiting
                and len(batch) < self._max_batch
                and not (batch[0].is_alone or self._waiting[0].is_alone)
            ):
                batch.append(self._waiting.popleft())
            QUEUE.set(len(self._waiting))
            BATCH.observe(len(batch))
            for job in batch:
                job.thread, job.is_batched = me, len(batch) > 1
                STAGE_SECONDS.labels("queue").observe(time.monotonic() - job.since)
                job.begun.set()
            return batch

    def _run(self, batch: list[_Job]) -> None:
        try:
            findings = self._predict([job.radiograph for job in batch])
        except Exception as error:  # the thread must outlive any film
            if len(batch) > 1:
                for job in batch:
                    self._run([job])
            else:
                _log.exception("the network failed on an image")
                failure = AnalysisFailed(
                    "The network could not analyse this image "
                    f"({type(error).__name__}). Export it again, or as PNG."
                )
                failure.__cause__ = error
                batch[0].result.set_exception(failure)
            return
        for job, finding in zip(batch, findings, strict=True):
            if isinstance(finding, DomainError):
                job.result.set_exception(finding)
            else:
                job.result.set_result(finding)
