"""``kill -9`` of the worker or the master at random moments under load, again and again.

Ten times in the test run; ``make kills`` does it a hundred times and prints how long restarts took.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from statistics import median

import pytest

from pneumonia.imaging.display import decode_png, encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.serving import Server, ends, start, stop, worker_of

KILLS = int(os.environ.get("KILLS", "5"))
SEED = int(os.environ.get("SEED", "11"))
CLIENTS = 4
NO_LIMIT = {"PNEUMONIA_RATE_LIMIT": ""}
FILMS = [
    encode_png(synthetic_radiograph(seed, opacity=seed % 2 == 0, size=(240 + 8 * seed, 220)))
    for seed in range(8)
]


class Load:
    """Clients that send films without a pause, and remember what they were told is kept."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: list[bytes] = []
        self.unexpected: list[tuple[int, bytes]] = []
        self._over = threading.Event()

    def _send(self, number: int) -> None:
        clock = random.Random(SEED + number)
        while not self._over.is_set():
            try:
                status, _, body = self.server.send(clock.choice(FILMS))
            except (OSError, HTTPException):  # the kill, or nobody is there yet
                time.sleep(0.05)
                continue
            if status == 201:
                self.acknowledged.append(body)
            elif status == 503:  # the model still loads
                time.sleep(0.05)
            else:
                self.unexpected.append((status, body))

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._send, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()


def kill(server: Server, bundle: Path, *, is_master: bool) -> Server:
    """End one of the two at once; the server that runs afterwards."""
    if not is_master:
        os.kill(worker_of(server), signal.SIGKILL)
        return server
    worker = worker_of(server)
    server.process.kill()
    server.process.wait()
    again = start(bundle, server.data_dir, server.port, **NO_LIMIT)
    assert ends(worker, within_s=20)
    return again


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
@pytest.mark.timeout(120 + 30 * KILLS)
def test_no_acknowledged_reading_is_lost_or_half_there(tiny_bundle: Path, tmp_path: Path) -> None:
    chance, took_s = random.Random(SEED), []
    server = start(tiny_bundle, tmp_path / "var", **NO_LIMIT)
    server.wait("/readyz", 200)
    load = Load(server)
    try:
        with load.running():
            for number in range(KILLS):
                time.sleep(chance.uniform(0.1, 1.5))
                began = time.monotonic()
                load.server = server = kill(server, tiny_bundle, is_master=number % 2 == 1)
                server.wait("/readyz", 200)
                took_s.append(time.monotonic() - began)
        print(f"\n{KILLS} kills, {len(load.acknowledged)} readings acknowledged; ready again after")
        print(f"{median(took_s):.1f} s (median), {max(took_s):.1f} s at most")
        assert load.unexpected == []
        assert len(load.acknowledged) >= KILLS
        for body in load.acknowledged:
            links = json.loads(body)["links"]
            assert server.ask("GET", links["self"])[2] == body
            status, _, picture = server.ask("GET", links["image"])
            image = json.loads(body)["image"]
            assert (status, decode_png(picture).shape) == (200, (image["height"], image["width"]))
        assert "Traceback" not in stop(server)
    finally:
        server.process.kill()
