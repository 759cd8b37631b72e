"""The receiver and its worker in this process, over the tiny bundle's app."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from pneumonia.imaging import Limits
from pneumonia.pacs.destination import Destination, parse_destination
from pneumonia.pacs.intake import Intake
from pneumonia.pacs.receiver import Listening, Receiver
from pneumonia.pacs.tls import Certificates
from pneumonia.pacs.worker import Worker
from pneumonia.records import Queue, State
from pneumonia.web.services import services
from tests.dicom.jane import film

SILENCE_S = 20.0


class Reader:
    """What ``flask listen`` wires together, with its parts at hand."""

    def __init__(
        self, app: Flask, results_to: str = "", max_bytes: int = 4 * 2**20, **listening: Any
    ) -> None:
        self.services = services(app)
        self.queue: Queue = self.services.queue
        self.arrived, self.over = threading.Event(), threading.Event()
        self.intake = Intake(self.queue, Limits(max_bytes=max_bytes), self.arrived)
        fields = {
            "ae_title": "PNEUMONIA",
            "host": "127.0.0.1",
            "port": 0,
            "certificates": Certificates(),
            "timeout_s": SILENCE_S,
        }
        self.receiver = Receiver(self.intake, Listening(**(fields | listening)))
        self.port = self.receiver.port
        self.is_closed = False
        self.send_to(results_to)

    def send_to(self, results_to: str) -> None:
        destination: Destination | None = parse_destination(
            results_to, "PNEUMONIA", SILENCE_S, Certificates(), ""
        )
        self.worker = Worker(
            self.queue,
            self.services.readings,
            lambda: True,
            destination,
            self.arrived,
            self.over,
        )

    def states(self) -> dict[str, int]:
        return {state.value: count for state, count in self.queue.counts().items() if count}

    def has(self, **states: int) -> bool:
        return self.states() == {name.replace("_", " "): count for name, count in states.items()}

    def items(self) -> Any:
        return self.queue.page(list(State), limit=1000)

    @contextmanager
    def working(self) -> Iterator[None]:
        thread = threading.Thread(target=self.worker.run)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()
            self.over.clear()

    def close(self) -> None:
        if not self.is_closed:
            self.receiver.close()
        self.is_closed = True


def films(count: int, first: int = 0) -> list[bytes]:
    """So many films of as many studies."""
    return [numbered(number) for number in range(first, first + count)]


def numbered(number: int, syntax: str = "explicit", **attributes: Any) -> bytes:
    root = f"1.2.826.0.1.3680043.8.498.77{number}"
    uids = {
        "SOPInstanceUID": f"{root}.1",
        "StudyInstanceUID": f"{root}.2",
        "SeriesInstanceUID": f"{root}.3",
    }
    return film(syntax, **(uids | attributes))
