"""One client's connection: what it is doing, since when, and for how long it may."""

import socket
import time
from enum import Enum, auto
from typing import Any

from pneumonia.server.bounds import Bounds
from pneumonia.server.exchange import Exchange

_PIECE_BYTES = 64 * 2**10
_LINGER_S = 2.0


class State(Enum):
    ARRIVING = auto()  # a request comes in, or none has begun yet
    WORKING = auto()  # a thread has it, or it waits for one
    LEAVING = auto()  # the answer goes out
    LINGERING = auto()  # all is said; what the client still sends is read away before the close


class Connection:
    """Never waits: each step moves what the socket takes or has. The loop calls, nobody else."""

    def __init__(
        self, sock: socket.socket, client: Any, server: Any, bounds: Bounds, idle_s: float
    ) -> None:
        sock.setblocking(False)
        self.sock, self.client, self.server = sock, client, server
        self._bounds, self._idle_s = bounds, idle_s
        self._sent_bytes = 0
        self.keeps_alive = False
        self.is_first = True
        self._begin(State.ARRIVING)
        self.exchange = Exchange(bounds)

    def _begin(self, state: State) -> None:
        self.state, self.since = state, time.monotonic()

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def is_idle(self) -> bool:
        return self.state is State.ARRIVING and self.exchange.is_empty

    def receive(self) -> bool:
        """Take what has come; False once the client has hung up."""
        try:
            data = self.sock.recv(_PIECE_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        if self.state is State.LINGERING:
            return True
        exchange = self.exchange
        if exchange.is_empty:
            self._begin(State.ARRIVING)  # the time of an idle connection is not the request's
        had_head = exchange.head.complete
        exchange.feed(data)
        if exchange.head.complete and not had_head:
            self._begin(State.ARRIVING)  # a clock of its own for the body
            if exchange.head.expects_continue and not exchange.is_complete:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def work(self) -> None:
        self.exchange.begin_reading()
        self._begin(State.WORKING)

    def answer(self, *, keep_alive: bool) -> None:
        """Start to send what the exchange has to say."""
        self.keeps_alive = keep_alive and self.exchange.reads_on
        self._sent_bytes = 0
        self._begin(State.LEAVING)

    def send(self) -> bool:
        """Send on; True once all is sent."""
        left = memoryview(self.exchange.answer)[self._sent_bytes :]
        try:
            self._sent_bytes += self.sock.send(left[: 4 * _PIECE_BYTES])
        except BlockingIOError:
            return False
        finally:
            left.release()
        return self._sent_bytes == len(self.exchange.answer)

    def take_next(self) -> None:
        """Wait for another request on the same connection."""
        self.exchange.close()
        self.exchange = Exchange(self._bounds)
        self.is_first = False
        self._begin(State.ARRIVING)

    def linger(self) -> None:
        """Say that no more comes. Closed with bytes unread, the answer itself would be lost."""
        self.sock.shutdown(socket.SHUT_WR)
        self._begin(State.LINGERING)

    def is_late(self, now: float) -> bool:
        """Whether it has had its time; a request in work is its thread's to bound."""
        bounds, exchange = self._bounds, self.exchange
        match self.state:
            case State.ARRIVING if exchange.is_empty and not self.is_first:
                allowed = self._idle_s
            case State.ARRIVING if not exchange.head.complete:
                allowed = bounds.head_s
            case State.ARRIVING:
                allowed = bounds.allowed_s(exchange.moved_bytes)
            case State.LEAVING:
                allowed = bounds.allowed_s(self._sent_bytes)
            case State.LINGERING:
                allowed = _LINGER_S
            case _:
                return False
        return now - self.since > allowed

    def close(self) -> None:
        self.exchange.close()
        self.sock.close()
