"""Concurrent requests -> batches for one Predictor: bounded, with deadlines, no idle waiting.

A batch is whatever is waiting when the predictor becomes free, so a lone film is never delayed. A
batch that fails is tried again film by film, so that a bad one fails alone.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from pneumonia.analysis.finding import Finding
from pneumonia.errors import AnalysisFailed, AnalysisTimeout, Overloaded, UnreadableRadiograph
from pneumonia.imaging.radiograph import Radiograph

Predict = Callable[[Sequence[Radiograph]], Sequence[Finding | UnreadableRadiograph]]


@dataclass(eq=False, slots=True)
class _Job:
    radiograph: Radiograph
    deadline: float
    result: "Future[Finding]" = field(default_factory=Future)


class Batcher:
    """One thread that owns the predictor; any number of threads that hand it films."""

    def __init__(
        self, predict: Predict, *, max_batch: int, queue_size: int, timeout_s: float
    ) -> None:
        self._predict = predict
        self._max_batch = max_batch
        self._timeout_s = timeout_s
        self._jobs: queue.Queue[_Job | None] = queue.Queue(queue_size)
        self._closed = False
        self._closing = threading.Lock()  # no job may come to lie behind the closing mark
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, radiograph: Radiograph) -> Finding:
        """Wait for a film's finding.

        Raises
        ------
        UnreadableRadiograph
            When the gate refuses the film.
        Overloaded
            At once, when too many films wait already.
        AnalysisTimeout
            When there is no finding within the time limit.
        AnalysisFailed
            When the network failed on this film.
        """
        job = _Job(radiograph, time.monotonic() + self._timeout_s)
        try:
            with self._closing:
                if self._closed:
                    raise queue.Full
                self._jobs.put_nowait(job)
        except queue.Full:
            raise Overloaded(
                f"{self._jobs.maxsize} images are waiting already. Try again in a few seconds."
            ) from None
        try:
            return job.result.result(timeout=self._timeout_s)
        except TimeoutError:
            raise AnalysisTimeout(
                f"There was no result within {self._timeout_s:g} seconds. Try again; if it stays "
                "so, the machine is too busy or too small."
            ) from None

    def close(self) -> None:
        """Finish what is waiting, take nothing more, and end the thread."""
        with self._closing:
            self._closed = True
        self._jobs.put(None)
        self._thread.join(timeout=self._timeout_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            closing = False
            while len(batch) < self._max_batch and not closing:
                try:
                    another = self._jobs.get_nowait()
                except queue.Empty:
                    break
                closing = another is None
                if another is not None:
                    batch.append(another)
            self._run([job for job in batch if job.deadline > time.monotonic()])
            if closing:
                return

    def _run(self, batch: list[_Job]) -> None:
        if not batch:
            return
        try:
            findings = self._predict([job.radiograph for job in batch])
        except Exception as error:  # the thread must outlive any film
            if len(batch) > 1:
                for job in batch:
                    self._run([job])
            else:
                failure = AnalysisFailed(
                    "The network could not analyse this image "
                    f"({type(error).__name__}). Export it again, or as PNG."
                )
                failure.__cause__ = error
                batch[0].result.set_exception(failure)
            return
        for job, finding in zip(batch, findings, strict=True):
            if isinstance(finding, UnreadableRadiograph):
                job.result.set_exception(finding)
            else:
                job.result.set_result(finding)
