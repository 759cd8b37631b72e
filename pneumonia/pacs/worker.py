"""Goes through the queue: makes a reading of each film, and sends its results where they go."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from pneumonia.dicom.results import make_results
from pneumonia.errors import (
    AnalysisFailed,
    DomainError,
    ImageError,
    ReadingNotFound,
    ReceivedFileMissing,
    StorageUnavailable,
)
from pneumonia.imaging.dicom import read_result
from pneumonia.pacs.destination import Destination, Send
from pneumonia.readings import Readings
from pneumonia.records import Queue, QueueItem, State
from pneumonia.records.audit_chain import RECEIVER, Actor, current_actor

AT_ONCE = 4
"""Films in work together: they go through the network together."""
_LOOKS_S = 1.0
"""Other processes add to the queue too: it is looked at so often."""
_HOUSE_S = 3600.0
_HOPELESS = (ImageError, ReceivedFileMissing, ReadingNotFound)
"""Errors that come again however often one tries."""
log = logging.getLogger(__name__)


class Worker:
    """Reads and sends in two threads, so that a PACS that is down holds up no reading.

    Of all processes over one data folder one works; another takes over where that ends.

    Parameters
    ----------
    is_ready
        Whether the model can be asked: no film counts as tried before.
    destination
        Where results go; None: nowhere.
    arrived
        Set by whoever adds to the queue in this process.
    over
        Ends the threads, each after what it has in work.
    """

    def __init__(
        self,
        queue: Queue,
        readings: Readings,
        is_ready: Callable[[], bool],
        destination: Destination | None,
        arrived: threading.Event,
        over: threading.Event,
    ) -> None:
        self._queue = queue
        self._readings = readings
        self._is_ready = is_ready
        self._destination = destination
        self._arrived = arrived
        self._to_send = threading.Event()
        self._over = over

    def run(self) -> None:
        """Work until it is over."""
        while not self._over.is_set():
            try:
                with self._queue.only_worker() as is_mine:
                    if is_mine:
                        self._work()
            except (OSError, StorageUnavailable) as error:
                log.error("the queue cannot be worked through: %s", error)
            self._over.wait(_LOOKS_S)

    def _work(self) -> None:
        log.info("working through the queue")
        loops = (
            threading.Thread(
                target=self._repeat, args=(self.read_some, self._arrived), name="reading"
            ),
            threading.Thread(
                target=self._repeat, args=(self.send_some, self._to_send), name="sending"
            ),
        )
        for loop in loops:
            loop.start()
        while not self._over.is_set():
            self._guard(self._queue.keep_house)
            self._over.wait(_HOUSE_S)
        self._arrived.set()
        self._to_send.set()
        for loop in loops:
            loop.join()

    def _repeat(self, some: Callable[[], int], more: threading.Event) -> None:
        while not self._over.is_set():
            if not self._guard(some):
                more.wait(_LOOKS_S)
                more.clear()

    @staticmethod
    def _guard(some: Callable[[], int | None]) -> int:
        """Whatever happens, the thread goes on."""
        try:
            return some() or 0
        except DomainError as error:
            log.error("the queue: %s", error)
        except Exception:
            log.exception("the queue")
        return 0

    # --- reading --------------------------------------------------------------------------------

    def read_some(self) -> int:
        """Read the films whose turn has come, at most :data:`AT_ONCE`; returns how many."""
        if not self._is_ready():
            return 0
        items = self._queue.take(State.RECEIVED, AT_ONCE)
        if len(items) == 1:
            self._try(items[0], self._read)
        elif items:
            with ThreadPoolExecutor(AT_ONCE, "reading") as pool:
                list(pool.map(lambda item: self._try(item, self._read), items))
        return len(items)

    def _read(self, item: QueueItem) -> None:
        self._readings.submit(self._queue.data(item.id), reading_id=item.id)
        self._queue.note_read(item.id)
        self._to_send.set()

    # --- sending --------------------------------------------------------------------------------

    def send_some(self) -> int:
        """Send the results whose turn has come, over one connection; returns of how many films."""
        items = self._queue.take(State.READ, AT_ONCE)
        with ExitStack() as stack:
            link = _Link(stack, self._destination)
            for item in items:
                self._try(item, lambda item: self._send(item, link))
        return len(items)

    def _send(self, item: QueueItem, link: "_Link") -> None:
        reading = self._readings.get(item.id)
        if self._destination is None or reading.image.format != "DICOM":
            self._queue.note_done(item.id)
            return
        send = link.open()
        with self._readings.radiograph(item.id) as film:
            results = make_results(self._queue.data(item.id), film, reading.finding)
        objects = [read_result(data) for data in (results.secondary_capture, results.report)]
        send(objects)
        self._queue.note_done(item.id, self._destination.name)
        if item.attempts > 1:
            self._queue.hasten()

    def _try(self, item: QueueItem, step: Callable[[QueueItem], None]) -> None:
        """Take a film one step on, in the name of whoever sent it; keep why where that fails."""
        via = f"{item.source} {item.peer}".strip()
        current_actor.set(Actor(RECEIVER, via, item.address))
        try:
            step(item)
        except DomainError as error:
            log.warning("film %s of the queue: %s", item.id, error)
            self._queue.note_failure(item.id, error, for_good=isinstance(error, _HOPELESS))
        except Exception:
            log.exception("film %s of the queue", item.id)
            mistake = AnalysisFailed("The reader made a mistake and logged it. It tries again.")
            self._queue.note_failure(item.id, mistake, for_good=False)


class _Link:
    """A connection that is made when the first result is there, and kept for the others."""

    def __init__(self, stack: ExitStack, destination: Destination | None) -> None:
        self._stack = stack
        self._destination = destination
        self._send: Send | None = None
        self._error: DomainError | None = None

    def open(self) -> Send:
        """Raises PeerUnreachable, PeerRefused; the second time at once."""
        if self._error is not None:
            raise self._error
        if self._send is None:
            assert self._destination is not None
            try:
                self._send = self._stack.enter_context(self._destination.connect())
            except DomainError as error:
                self._error = error
                raise
        return self._send
