"""A gunicorn worker that no slow client can stop (docs/adr/0022).

One loop takes requests in and sends answers out, without ever waiting for a client; a request
gets a thread once it is there as a whole, and the thread is free again before its answer has left.
So threads are held by work alone, and what waits for them is counted.
"""

import contextlib
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]
from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from pneumonia.server import OVERLOADED
from pneumonia.server.admission import Admission, Ticket
from pneumonia.server.bounds import Bounds
from pneumonia.server.connection import Connection, State
from pneumonia.server.refusal import BUSY, HEAD_TOO_LARGE, TOO_SLOW, Refusal
from pneumonia.telemetry import REFUSALS, STAGE_SECONDS

_QUICK_THREADS = 8
"""For everything but POST: pages, pictures, health and refusals go on while uploads are in work."""
_TICK_S = 0.5
_ORPHAN_S = 2.0
Step = Callable[[Connection], None]


class _Outcome(NamedTuple):
    keep_alive: bool
    was_answered: bool  # with what was asked for, not with a refusal or an error


_BROKEN_OFF = _Outcome(keep_alive=False, was_answered=False)


class _Queued(NamedTuple):
    """An upload that was let in and may still wait for a thread."""

    connection: Connection
    ticket: Ticket
    work: "Future[_Outcome]"


class BufferingWorker(Worker):  # type: ignore[misc]
    """gunicorn's process, signals and parser; its own loop."""

    bounds = Bounds()
    alive: bool

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            raise SystemExit("This server speaks no TLS: put a reverse proxy in front of it.")

    def init_process(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._finished: deque[tuple[Connection, Ticket | None, _Outcome]] = deque()
        self._queued: deque[_Queued] = deque()
        self._admission = Admission(self.bounds.uploads, self.bounds.waiting_s)
        self._checked_at = 0.0
        self._slow = ThreadPoolExecutor(self.cfg.threads, "upload")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, "quick")
        super().init_process()

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        for listener in self.sockets:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))
        self._selector.register(self.PIPE[0], selectors.EVENT_READ, self._wake)
        while self.alive and not self._is_orphan():
            self._turn()
        is_orphan = self._is_orphan()
        self._stop_listening()
        self._drain(_ORPHAN_S if is_orphan else max(1.0, self.cfg.graceful_timeout - 2))
        for pool in (self._slow, self._quick):
            pool.shutdown(wait=False, cancel_futures=True)
        if is_orphan:
            # Nobody is left to end a thread that hangs, and the next master wants the port.
            os._exit(1)

    def _is_orphan(self) -> bool:
        return bool(self.ppid != os.getppid())

    def _turn(self) -> None:
        self.notify()
        for key, _ in self._selector.select(_TICK_S):
            key.data()
        while self._finished:
            connection, ticket, outcome = self._finished.popleft()
            if ticket is not None:
                self._admission.leave(ticket, was_answered=outcome.was_answered)
            self._answer(connection, keep_alive=outcome.keep_alive and self.alive)
        if (now := time.monotonic()) - self._checked_at >= _TICK_S:
            self._checked_at = now
            self._refuse_overdue(now)
            for connection in [one for one in self._connections if one.is_late(now)]:
                self._give_up(connection)

    def _wake(self) -> None:
        os.read(self.PIPE[0], 4096)

    def _stop_listening(self) -> None:
        for listener in self.sockets:
            self._selector.unregister(listener)
            listener.close()

    def _drain(self, longest_s: float) -> None:
        """Finish what has begun to arrive, is in work or on its way out."""
        until = time.monotonic() + longest_s
        while time.monotonic() < until:
            for connection in [one for one in self._connections if one.is_idle]:
                self._drop(connection)
            if not self._connections:
                return
            self._turn()

    # --- a connection's steps -------------------------------------------------------------------

    def _accept(self, listener: Any) -> None:
        try:
            sock, client = listener.accept()
        except OSError:  # gone already, or no file descriptor left: there will be another turn
            return
        if len(self._connections) >= self.bounds.connections and not self._make_room():
            sock.setblocking(False)
            REFUSALS.labels(BUSY.code).inc()
            self._try(None, partial(sock.send, BUSY.answer))
            sock.close()
            return
        server = listener.getsockname()
        connection = Connection(sock, client, server, self.bounds, self.cfg.keepalive)
        self._connections.add(connection)
        self._watch(connection, selectors.EVENT_READ, self._receive)

    def _make_room(self) -> bool:
        """End the connection that has been slowest: idle, or a request that never gets whole."""
        slow = [one for one in self._connections if one.state is not State.WORKING]
        if not slow:
            return False
        self._drop(min(slow, key=lambda one: (not one.is_idle, one.since)))
        return True

    def _watch(self, connection: Connection, event: int, step: Step) -> None:
        self._unwatch(connection)
        action = partial(self._try, connection, partial(step, connection))
        self._selector.register(connection.sock, event, action)

    def _unwatch(self, connection: Connection) -> None:
        if connection.sock.fileno() in self._selector.get_map():
            self._selector.unregister(connection.sock)

    def _try(self, connection: Connection | None, step: Callable[[], Any]) -> None:
        """A step of one connection; whatever becomes of its socket, the loop goes on."""
        try:
            step()
        except OSError as error:
            self.log.debug("A connection ended: %s", error)
            if connection is not None:
                self._drop(connection)

    def _receive(self, connection: Connection) -> None:
        if not connection.receive():
            self._drop(connection)
            return
        exchange = connection.exchange
        if connection.state is not State.ARRIVING:
            return
        if exchange.is_complete:
            self._dispatch(connection)
        elif not exchange.head.complete and len(exchange.head.bytes) > self.bounds.head_bytes:
            self._say(connection, HEAD_TOO_LARGE)
        elif self._arriving_bytes() > self.bounds.arriving_bytes:
            self._make_room()

    def _arriving_bytes(self) -> int:
        return sum(one.exchange.kept_bytes for one in self._connections)

    def _dispatch(self, connection: Connection) -> None:
        self._unwatch(connection)
        connection.work()
        if not connection.exchange.head.is_post:
            self._submit(self._quick, connection, None, is_refused=False)
        elif (ticket := self._admission.admit()) is None:
            self._submit(self._quick, connection, None, is_refused=True)
        else:
            work = self._submit(self._slow, connection, ticket, is_refused=False)
            self._queued.append(_Queued(connection, ticket, work))

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        connection: Connection,
        ticket: Ticket | None,
        *,
        is_refused: bool,
    ) -> "Future[_Outcome]":
        work = pool.submit(self._handle, connection, is_refused)
        work.add_done_callback(partial(self._finish, connection, ticket))
        return work

    def _refuse_overdue(self, now: float) -> None:
        """Refuse the uploads that had no thread for too long; no thread will meet them."""
        while self._queued:
            connection, ticket, work = self._queued[0]
            if not (work.running() or work.done()):
                if now - ticket.since <= self.bounds.waiting_s:
                    return
                if work.cancel():
                    self._admission.leave(ticket, was_answered=False)
                    self._submit(self._quick, connection, None, is_refused=True)
            self._queued.popleft()

    def _finish(
        self, connection: Connection, ticket: Ticket | None, work: "Future[_Outcome]"
    ) -> None:
        """In the thread that is done: hand over to the loop."""
        if work.cancelled():  # it is refused instead, or the server stops
            return
        outcome = _BROKEN_OFF if work.exception() else work.result()
        self._finished.append((connection, ticket, outcome))
        with contextlib.suppress(OSError):  # full, or closed at the end: then the loop needs none
            os.write(self.PIPE[1], b".")

    def _answer(self, connection: Connection, *, keep_alive: bool) -> None:
        connection.answer(keep_alive=keep_alive)
        self._watch(connection, selectors.EVENT_WRITE, self._send)
        self._try(connection, partial(self._send, connection))

    def _send(self, connection: Connection) -> None:
        if not connection.send():
            return
        if connection.keeps_alive:
            connection.take_next()
        else:
            connection.linger()
        self._watch(connection, selectors.EVENT_READ, self._receive)

    def _say(self, connection: Connection, refusal: Refusal) -> None:
        """Answer in the app's place, and close."""
        REFUSALS.labels(refusal.code).inc()
        connection.exchange.sendall(refusal.answer)
        self._answer(connection, keep_alive=False)

    def _give_up(self, connection: Connection) -> None:
        if connection.state is State.ARRIVING and not connection.is_idle:
            self._say(connection, TOO_SLOW)
        else:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection in self._connections:
            self._unwatch(connection)
            self._connections.remove(connection)
            connection.close()

    # --- a thread's work ------------------------------------------------------------------------

    def _handle(self, connection: Connection, is_refused: bool) -> _Outcome:
        """Answer into the exchange."""
        exchange, request = connection.exchange, None
        if connection.exchange.head.is_post and not is_refused:
            STAGE_SECONDS.labels("thread").observe(time.monotonic() - connection.since)
        try:
            request = next(http.get_parser(self.cfg, exchange, connection.client))
            return self._respond(request, connection, is_refused)
        except (NoMoreData, StopIteration):
            self.log.debug("A request ended before it was whole.")
        except Exception as error:  # a request that cannot be parsed, or a fault of the app
            exchange.answer.clear()
            self.handle_error(request, exchange, connection.client, error)
        return _BROKEN_OFF

    def _respond(self, request: Any, connection: Connection, is_overload: bool) -> _Outcome:
        self.cfg.pre_request(self, request)
        started = datetime.now()
        exchange = connection.exchange
        response, environ = wsgi.create(
            request, exchange, connection.client, connection.server, self.cfg
        )
        environ["wsgi.multithread"] = True
        if is_overload:
            environ[OVERLOADED] = True
        if not (self.alive and self.cfg.keepalive and exchange.reads_on):
            response.force_close()
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        body = self.wsgi(environ, response.start_response)
        try:
            for piece in body:
                response.write(piece)
            response.close()
        finally:
            self.log.access(response, request, environ, datetime.now() - started)
            if hasattr(body, "close"):
                body.close()
            self.cfg.post_request(self, request, environ, response)
        return _Outcome(not response.should_close(), response.status_code < 400)

    def handle_quit(self, sig: int, frame: Any) -> None:
        for pool in (self._slow, self._quick):
            pool.shutdown(wait=False, cancel_futures=True)
        super().handle_quit(sig, frame)
