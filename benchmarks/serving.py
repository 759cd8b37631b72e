"""One JPEG of one megapixel, from POST to JSON, beside a bare forward pass of a ResNet-50.

The server is the real one: gunicorn in a process of its own, on loopback, with its settings as they
are but for the threads, the data folder and the rate limit.
"""

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import torch
from PIL import Image
from torchvision.models import resnet50

from benchmarks.measure import THREADS, Comparison, alternate
from pneumonia.imaging.synthetic import synthetic_radiograph

LIMIT = 2.0
START_TIMEOUT_S = 90
ROOT = Path(__file__).resolve().parent.parent
BOUNDARY = "film-boundary"


def compare(*, rounds: int = 30) -> Comparison:
    """Measure both in this run, alternately, with the same number of threads."""
    body = form(radiograph())
    torch.set_num_threads(THREADS)
    network = resnet50(weights=None).eval()
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode(), serve() as port:
        request_s, forward_s = alternate(
            lambda: _post(port, body), lambda: network(image), rounds=rounds, warm_up=5
        )
    return Comparison(
        "POST to JSON, 1-megapixel JPEG", request_s, "bare ResNet-50 forward", forward_s, LIMIT
    )


def radiograph() -> bytes:
    """A synthetic film of 1152 x 896 pixels as a JPEG, of the size a clinic's export has."""
    buffer = io.BytesIO()
    radiograph = synthetic_radiograph(7, opacity=True, size=(896, 1152))
    Image.fromarray(radiograph).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def form(jpeg: bytes) -> bytes:
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="film.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + jpeg + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def serve() -> Iterator[int]:
    """gunicorn on a free port, ready; stopped on the way out."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as data_dir:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PNEUMONIA_DATA_DIR": data_dir,
            "PNEUMONIA_THREADS": str(THREADS),
            "PNEUMONIA_DEVICE": "cpu",
            "PNEUMONIA_RATE_LIMIT": "",
        }
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
        with (Path(data_dir) / "log").open("w+") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log
            )
            try:
                _wait_until_ready(process, port, Path(log.name))
                yield port
            finally:
                process.terminate()
                process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    answer = "no answer"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            answer = f"{response.status} {response.read().decode(errors='replace')}"
            if response.status == 200:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The server did not become ready ({answer}). Its log:\n{log.read_text()}")


def _post(port: int, body: bytes) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", "/api/v1/readings", body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status != 201:
        raise RuntimeError(f"The server answered {response.status}: {answer.get('detail')}")
