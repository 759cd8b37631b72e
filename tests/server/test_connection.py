"""A connection's clocks, read off instead of waited for."""

import socket
from collections.abc import Iterator

import pytest

from pneumonia.server import connection as connections
from pneumonia.server.bounds import Bounds
from pneumonia.server.connection import Connection

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    client, server = socket.socketpair()
    connection = Connection(server, ("127.0.0.1", 1), ("127.0.0.1", 2), Bounds(), idle_s=5)
    yield client, connection
    client.close()
    connection.close()


class Clock:
    """It stands still."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(connections, "time", clock)
    return clock


def late_after(connection: Connection) -> float:
    """In how many whole seconds from now its time is up."""
    return next(s for s in range(1, 1000) if connection.is_late(Clock.now + s))


def test_a_head_has_ten_seconds_however_often_a_byte_comes(
    ends: tuple[socket.socket, Connection],
) -> None:
    client, connection = ends
    assert late_after(connection) == 11
    client.sendall(HEAD[:10])
    assert connection.receive()
    connection.since -= 9
    client.sendall(HEAD[10:20])
    assert connection.receive()
    assert late_after(connection) == 2


def test_a_body_has_a_second_more_for_each_16_kb(ends: tuple[socket.socket, Connection]) -> None:
    client, connection = ends
    client.sendall(HEAD + b"\r\n")
    assert connection.receive()
    assert late_after(connection) == 21
    client.sendall(b"x" * 2**16)
    while connection.exchange.moved_bytes < 2**16:
        assert connection.receive()
    assert late_after(connection) == 25


def test_a_client_that_waits_for_a_word_gets_it(ends: tuple[socket.socket, Connection]) -> None:
    client, connection = ends
    client.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
    assert connection.receive()
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_an_answer_leaves_as_fast_as_it_is_read_and_has_its_time(
    ends: tuple[socket.socket, Connection],
) -> None:
    client, connection = ends
    connection.exchange.sendall(b"y" * 5_000_000)
    connection.answer(keep_alive=False)
    while True:
        before = connection._sent_bytes
        assert not connection.send()
        if connection._sent_bytes == before:
            break  # what the socket takes while nobody reads
    assert late_after(connection) <= 301
    read = len(client.recv(2**20))
    while not connection.send():
        read += len(client.recv(2**20))
    assert late_after(connection) <= 301
    while read < 5_000_000:
        read += len(client.recv(2**20))
    assert read == 5_000_000


def test_a_hung_up_client_is_noticed(ends: tuple[socket.socket, Connection]) -> None:
    client, connection = ends
    client.close()
    assert not connection.receive()
