"""Where a request ends, whatever pieces it comes in."""

import pytest

from pneumonia.server.bounds import Bounds
from pneumonia.server.exchange import Exchange

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
REQUESTS = {
    "no body": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length": POST + b"content-LENGTH:  5\r\n\r\nhello",
    "chunks": POST
    + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhe\nlo\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunks and a trailer": POST
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nChecksum: 7\r\n\r\n",
}


def fed(data: bytes, size: int, bounds: Bounds = Bounds()) -> Exchange:  # noqa: B008 - frozen
    exchange = Exchange(bounds)
    for at in range(0, len(data), size):
        assert not exchange.is_complete, f"complete after {at} bytes"
        exchange.feed(data[at : at + size])
    return exchange


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("what", REQUESTS)
def test_a_request_is_complete_with_its_last_byte(what: str, size: int) -> None:
    exchange = fed(REQUESTS[what], size)
    assert exchange.is_complete
    assert exchange.reads_on
    exchange.begin_reading()
    assert exchange.recv(10_000) == REQUESTS[what]


@pytest.mark.parametrize("what", REQUESTS)
def test_what_follows_a_request_is_no_part_of_it(what: str) -> None:
    exchange = Exchange(Bounds())
    exchange.feed(REQUESTS[what] + b"GET /second HTTP/1.1\r\n\r\n")
    assert exchange.is_complete
    assert not exchange.reads_on  # so the connection closes, and nothing is read twice
    exchange.begin_reading()
    assert exchange.recv(10_000) == REQUESTS[what]


@pytest.mark.parametrize("line", [b"xyz", b"-5", b"", b"1" * 2000])
def test_what_is_no_size_of_a_chunk_is_left_to_gunicorn(line: bytes) -> None:
    exchange = Exchange(Bounds())
    exchange.feed(POST + b"Transfer-Encoding: chunked\r\n\r\n" + line + b"\r\n")
    assert exchange.is_complete


def test_a_body_above_the_bound_is_read_away_and_not_kept() -> None:
    bounds = Bounds(kept_bytes=100, discarded_bytes=10_000)
    head = POST + b"Content-Length: 5000\r\n\r\n"
    exchange = fed(head + b"x" * 5000, 700, bounds)
    assert exchange.is_complete
    assert exchange.reads_on
    exchange.begin_reading()
    assert exchange.recv(10_000) == head + b"x" * 100


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_will_be_refused_is_not_awaited(expect: bytes) -> None:
    bounds = Bounds(kept_bytes=100, discarded_bytes=10_000)
    exchange = Exchange(bounds)
    length = b"5000" if expect else b"50000"
    exchange.feed(POST + expect + b"Content-Length: " + length + b"\r\n\r\n")
    assert exchange.is_complete
    assert not exchange.reads_on


def test_what_a_transfer_may_take() -> None:
    bounds = Bounds(body_grace_s=20, bytes_per_s=1000, longest_s=300)
    assert bounds.allowed_s(0) == 20
    assert bounds.allowed_s(50_000) == 70
    assert bounds.allowed_s(10_000_000) == 300
