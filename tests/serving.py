"""gunicorn with its own configuration, as a process of its own, and a client of it."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumonia.config import ROOT
from tests.running import ENGINES_DIR


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def send(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="f.png"\r\n\r\n'
        body = head + data + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        return self.ask("POST", "/api/v1/readings", body, kind)

    def wait(self, path: str, status: int, timeout_s: float = 90) -> list[int]:
        """Ask until the status comes; returns every status seen on the way."""
        seen: list[int] = []
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                seen.append(self.ask("GET", path)[0])
            except OSError:
                assert self.process.poll() is None, "gunicorn ended"
            if seen[-1:] == [status]:
                return seen
            time.sleep(0.05)
        raise AssertionError(f"{path} never gave {status}: {seen}")


def free_port() -> int:
    """A port below those that the system lends to clients: none takes it before the server does."""
    while True:
        port = 16_000 + secrets.randbelow(16_000)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def start(
    bundle: Path,
    data_dir: Path,
    port: int = 0,
    application: str = "wsgi:app",
    **environment: str,
) -> Server:
    port = port or free_port()
    # Only what a person would set, beside what any process has.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PNEUMONIA_")}
    environ |= {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "PNEUMONIA_DATA_DIR": str(data_dir),
        "PNEUMONIA_MODELS_DIR": str(bundle.parent),
        "PNEUMONIA_MODEL": bundle.name,
        "PNEUMONIA_DEVICE": "cpu",
        "PNEUMONIA_THREADS": "1",
        "PNEUMONIA_ENGINES_DIR": str(ENGINES_DIR),
        "PNEUMONIA_LONGEST_WAIT_S": "60",  # a test machine may be busy with other tests
    } | environment
    # A file, not a pipe: one that nobody reads fills up, and then the server waits for it.
    log = data_dir.parent / f"{uuid.uuid4().hex}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", application],
            cwd=ROOT,
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Server(port, process, data_dir, log)


def worker_of(server: Server) -> int:
    """The worker's process id (Linux)."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return int(children.split()[0])


def ends(pid: int, within_s: float) -> bool:
    """Whether a process is gone within the time (Linux)."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def stop(server: Server) -> str:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=60)
    return server.log.read_text()
