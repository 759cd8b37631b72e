"""Our server and the naive one, each in a process of its own on loopback, and clients for both."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.measure import THREADS
from pneumonia.config import ROOT

START_TIMEOUT_S = 120
BOUNDARY = "film-boundary"


@dataclass(frozen=True, slots=True)
class Server:
    """Where films are posted to."""

    port: int
    path: str
    process: int

    def post(self, body: bytes) -> None:
        """Send one form and read the answer. Raises RuntimeError unless it is a reading."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if response.status != 201:
            raise RuntimeError(f"The server answered {response.status}: {answer.get('detail')}")

    def post_all(self, bodies: Sequence[bytes], clients: int) -> None:
        """Send each form once, from so many clients, each with the next as soon as one is done."""
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(self.post, bodies))

    @property
    def processor_s(self) -> float:
        """Processor time that it and all that came of it have taken so far."""
        ticks = 0
        for process in (self.process, *descendants(self.process)):
            times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(times[11]) + int(times[12])  # user and system
        return ticks / os.sysconf("SC_CLK_TCK")


def descendants(process: int) -> list[int]:
    """Children of a process, whichever of its threads started them, and theirs."""
    threads = Path(f"/proc/{process}/task").iterdir()
    children = [int(one) for thread in threads for one in (thread / "children").read_text().split()]
    return [*children, *(below for child in children for below in descendants(child))]


def form(jpeg: bytes) -> bytes:
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="film.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + jpeg + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def ours() -> Iterator[Server]:
    """Our gunicorn with its own settings, but for threads, data folder and rate limit; ready."""
    with tempfile.TemporaryDirectory() as data_dir:
        port = _free_port()
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PNEUMONIA_DATA_DIR": data_dir,
            "PNEUMONIA_THREADS": str(THREADS),
            "PNEUMONIA_DEVICE": "cpu",
            "PNEUMONIA_RATE_LIMIT": "",
        }
        command = ["-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
        with _running(command, settings, port, "/readyz") as process:
            yield Server(port, "/api/v1/readings", process)


@contextmanager
def naive() -> Iterator[Server]:
    """``benchmarks/naive.py``, with as many threads for its network."""
    port = _free_port()
    command = ["-m", "benchmarks.naive", str(port), str(THREADS)]
    with _running(command, {}, port, "/static/none", status=404) as process:
        yield Server(port, "/", process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(
    command: list[str], settings: dict[str, str], port: int, path: str, status: int = 200
) -> Iterator[int]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while _status(port, path) != status:
                if time.monotonic() > deadline or process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"{command} did not become ready. Its log:\n{log.read()}")
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _status(port: int, path: str) -> int:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
