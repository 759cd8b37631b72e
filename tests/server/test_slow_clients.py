"""Clients that take their time: the server goes on for all others."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.serving import Server, ends, start, stop, worker_of

FILM = encode_png(synthetic_radiograph(11, opacity=True, size=(300, 260)))
HEAD = b"POST /api/v1/readings HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n--x\r\n"


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tiny_bundle, tmp_path_factory.mktemp("slow") / "var")
    server.wait("/readyz", 200)
    yield server
    stop(server)


def connect(server: Server, first: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    client.sendall(first)
    return client


def read_all(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(2**16):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("first", [HEAD + BODY, HEAD[:40], b""], ids=["bodies", "heads", "silence"])
def test_slow_requests_hold_nobody_up(server: Server, first: bytes) -> None:
    clients = [connect(server, first) for _ in range(40)]
    try:
        for _ in range(3):
            for client in clients if first else ():
                client.sendall(b"x")
            assert server.ask("GET", "/healthz")[0] == 200
            assert server.send(FILM)[0] == 201
    finally:
        for client in clients:
            client.close()


def test_slow_readers_hold_nobody_up(server: Server) -> None:
    large = encode_png(synthetic_radiograph(3, opacity=True, size=(1500, 1300)))
    status, _, body = server.send(large)
    assert status == 201
    image = json.loads(body)["links"]["image"]
    ask = f"GET {image} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    clients = []
    try:
        for _ in range(24):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(120)
            client.connect(("127.0.0.1", server.port))
            client.sendall(ask)
            clients.append(client)
        assert server.ask("GET", "/healthz")[0] == 200
        assert server.send(FILM)[0] == 201
    finally:
        for client in clients:
            client.close()


def test_more_connections_than_there_is_room_for_push_out_the_slowest(server: Server) -> None:
    clients = [connect(server, b"GET /") for _ in range(600)]
    try:
        assert server.ask("GET", "/healthz")[0] == 200
        read_all(clients[0])  # it made room: this ends
    finally:
        for client in clients:
            client.close()


def test_a_head_without_end_is_refused(server: Server) -> None:
    client = connect(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000)
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 431 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (problem["status"], problem["code"]) == (431, "head_too_large")
    client.close()


def test_a_head_that_never_ends_gets_its_answer(server: Server) -> None:
    client = connect(server, HEAD)
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"
    client.close()


def test_a_second_request_in_the_same_breath_is_never_read_as_the_first(server: Server) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = connect(server, one + one)
    answer = read_all(client)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in answer
    client.close()


def test_a_connection_serves_one_request_after_the_other(server: Server) -> None:
    client = HTTPConnection("127.0.0.1", server.port, timeout=120)
    client.connect()
    first = client.sock
    for _ in range(3):
        client.request("GET", "/healthz")
        answer = client.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("Connection")) == (200, "keep-alive")
        assert client.sock is first
    client.close()


def test_it_stops_within_ten_seconds_whatever_clients_do(tiny_bundle: Path, tmp_path: Path) -> None:
    server = start(tiny_bundle, tmp_path / "var")
    server.wait("/readyz", 200)
    clients = [connect(server, HEAD + BODY), connect(server, HEAD), connect(server)]
    before = time.monotonic()
    stop(server)
    assert server.process.returncode == 0
    assert time.monotonic() - before < 20
    for client in clients:
        client.close()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_a_worker_whose_master_was_killed_ends_and_gives_the_port_back(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    server = start(tiny_bundle, tmp_path / "var")
    server.wait("/readyz", 200)
    reading = json.loads(server.send(FILM)[2])["links"]["self"]
    worker, client = worker_of(server), connect(server, HEAD + BODY)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    assert ends(worker, within_s=20)
    again = start(tiny_bundle, tmp_path / "var", server.port)
    try:
        again.wait("/readyz", 200)
        assert again.ask("GET", reading)[0] == 200
        assert "Address already in use" not in stop(again)
    finally:
        client.close()
        again.process.kill()
