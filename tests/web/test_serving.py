"""The real thing: gunicorn with its own configuration, over a socket, with many clients."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pneumonia.config import ROOT
from tests.serving import Server, start, stop

CLIENTS = 32


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tiny_bundle, tmp_path_factory.mktemp("served") / "var", PNEUMONIA_ENGINE="auto")
    server.seen = server.wait("/readyz", 200)  # type: ignore[attr-defined]
    yield server
    if server.process.poll() is None:
        stop(server)


def test_it_was_alive_before_it_was_ready(server: Any) -> None:
    assert server.seen[0] == 503
    assert set(server.seen) == {503, 200}
    status, _, body = server.ask("GET", "/readyz")
    assert (status, json.loads(body)["model"]["id"]) == (200, "tiny")


def test_thirty_two_clients_at_once_are_all_answered(server: Server, radiograph_png: bytes) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(server.send, [radiograph_png] * CLIENTS))
    assert [status for status, _, _ in answers] == [201] * CLIENTS
    bodies = [json.loads(body) for _, _, body in answers]
    assert len({body["id"] for body in bodies}) == CLIENTS
    # Whatever batch a film came into, it is the same film.
    first = bodies[0]["probability"]
    assert [body["probability"] for body in bodies] == pytest.approx([first] * CLIENTS, abs=1e-4)
    for _, headers, body in answers:
        assert server.ask("GET", headers["Location"])[2] == body


def test_a_hundred_megabytes_get_their_answer_over_a_socket(
    server: Server, radiograph_png: bytes
) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000

    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": "100000000",
        "Connection": "close",
    }
    status, answered, text = server.ask("POST", "/api/v1/readings", body(), headers)
    assert status == 413
    assert answered["Content-Type"] == "application/problem+json"
    assert json.loads(text)["code"] == "file_too_large"
    assert server.send(radiograph_png)[0] == 201


def test_a_body_without_a_declared_length_is_bounded_too(server: Server) -> None:
    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="f"\r\n\r\n'
        for _ in range(60):
            yield b"x" * 2**20

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/api/v1/readings", body(), headers, encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (413, "file_too_large")
    connection.close()


def test_the_data_folder_holds_what_it_should_and_no_more(
    server: Server, radiograph_png: bytes
) -> None:
    reading = json.loads(server.send(radiograph_png)[2])["id"]
    names = {path.name.partition("-")[0] for path in server.data_dir.iterdir()}
    assert names == {"films", "pneumonia.sqlite3", "secret_key"}  # the networks are elsewhere here
    assert (server.data_dir / "films" / reading[:2] / f"{reading}.png").is_file()
    assert list(server.data_dir.glob("films/**/.*")) == []


def test_a_server_without_a_bundle_starts_says_why_and_stops_cleanly(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "models" / "default"
    shutil.copytree(tiny_bundle, tmp_path / "models" / "other")
    server = start(empty, tmp_path / "var")
    try:
        server.wait("/healthz", 200)
        until = time.monotonic() + 60
        while json.loads(server.ask("GET", "/readyz")[2])["code"] != "no_model":
            assert time.monotonic() < until
            time.sleep(0.1)
        assert server.ask("GET", "/")[0] == 200
    finally:
        log = stop(server)
    assert server.process.returncode == 0
    assert "There is no model bundle 'default'" in log
    assert "Traceback" not in log
    assert '"GET /healthz" 200' in log


def test_a_setting_that_cannot_be_used_is_a_sentence_not_a_trace() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    assert result.stderr.strip() == "PORT is 'eighty'; it must be a whole number."
