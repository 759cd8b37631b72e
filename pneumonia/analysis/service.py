"""The analysis as a running service: loads its model in the background, then answers. No torch."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from pneumonia.analysis import gate
from pneumonia.analysis.batcher import Batcher
from pneumonia.analysis.finding import Finding
from pneumonia.errors import AnalysisFailed, DomainError, ModelNotReady
from pneumonia.imaging.radiograph import Radiograph

if TYPE_CHECKING:
    from pneumonia.analysis.card import Card
    from pneumonia.analysis.predictor import Predictor

RETRY_S = 5.0  # after a load that failed: a bundle may have been put in place since
State = Literal["stopped", "loading", "ready", "failed"]
_log = logging.getLogger(__name__)


class AnalysisService:
    """One model behind a batcher. ``load`` is called in a thread of its own, until it succeeds."""

    def __init__(
        self,
        load: "Callable[[], Predictor]",
        *,
        max_batch: int,
        queue_size: int,
        wait_s: float,
        timeout_s: float,
    ) -> None:
        self._load = load
        self._make_batcher = partial(
            Batcher,
            max_batch=max_batch,
            queue_size=queue_size,
            wait_s=wait_s,
            timeout_s=timeout_s,
            when_stuck=lambda: self.when_stuck(),
        )
        self._lock = threading.Lock()
        self._loaded = threading.Event()
        self._batcher: Batcher | None = None
        self._failed_at = 0.0  # monotonic, seconds
        self.state: State = "stopped"
        self.error: DomainError | None = None
        self.card: Card | None = None
        self.engine = ""  # what runs the networks, in words
        self.when_stuck: Callable[[], None] = lambda: None
        """Called where the network hangs again and again: a new process is the only way out."""

    def start(self) -> None:
        """Begin to load and warm the model; returns at once.

        Does nothing where that has begun, unless it failed some seconds ago: then it is tried anew.
        """
        with self._lock:
            waited_s = time.monotonic() - self._failed_at
            if self.state != "stopped" and not (self.state == "failed" and waited_s >= RETRY_S):
                return
            self.state = "loading"
            self._loaded.clear()
        threading.Thread(target=self._start, name="model-loader", daemon=True).start()

    def _start(self) -> None:
        try:
            predictor = self._load()
            predictor.warm()
            self._batcher = self._make_batcher(predictor.predict)
            self.card, self.engine, self.error = predictor.card, predictor.engine.name, None
            self.state = "ready"
            _log.info("model %s is ready: %s", predictor.model.id, self.engine)
        except DomainError as error:
            self._fail(error)
        except Exception as error:  # whatever torch or the machine says, the app must live
            self._fail(AnalysisFailed(f"The model could not be loaded: {error}"))
        finally:
            self._loaded.set()

    def _fail(self, error: DomainError) -> None:
        _log.error("no model: %s", error)
        self.error, self._failed_at = error, time.monotonic()
        self.state = "failed"

    def wait(self, timeout_s: float) -> State:
        """Wait until loading has ended, well or badly, or the time is up."""
        self._loaded.wait(timeout_s)
        return self.state

    def analyse(self, radiograph: Radiograph) -> Finding:
        """Gate, then the network.

        Raises
        ------
        UnreadableRadiograph
            When the gate refuses the film.
        ModelNotReady
            While the model loads; a stopped service starts itself.
        NoModel, DamagedBundle
            When it could not be loaded.
        Overloaded, AnalysisTimeout, AnalysisFailed
            See :meth:`pneumonia.analysis.batcher.Batcher.submit`.
        """
        gate.check(radiograph)  # what can be said at once, before anything waits
        self.start()
        error = self.error  # that of the last load, also while another one is tried
        if error is not None:
            raise error.with_traceback(None)
        if self._batcher is None:
            raise ModelNotReady("The model is still loading. Try again in a few seconds.")
        return self._batcher.submit(radiograph)

    def close(self) -> None:
        if self._batcher is not None:
            self._batcher.close()
