"""One request and its answer, held whole between the socket and the thread that works on it."""

import tempfile

from pneumonia.server.bounds import Bounds
from pneumonia.server.framing import Chunks, Head, Length

_IN_MEMORY_BYTES = 512 * 2**10


class Exchange:
    """To gunicorn's parser and response a socket that never waits; to the loop two buffers."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.head = Head()
        self.body: Length | Chunks | None = None
        self.answer = bytearray()
        self.moved_bytes = 0
        self.is_over = False  # the client sends more than this one request
        self._received = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        self._kept_bytes = 0

    # --- the loop's side ------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take what came in. Raises OSError where a temporary file cannot be written."""
        if self.body is None:
            data = self.head.feed(data)
            if not self.head.complete:
                return
            self._received.write(self.head.bytes)
            self.body = self.head.body()
        taken = self.body.feed(data)
        self.moved_bytes += taken
        self.is_over |= taken < len(data)
        room = max(0, self._bounds.kept_bytes - self._kept_bytes)
        self._kept_bytes += self._received.write(data[: min(taken, room)])

    @property
    def is_empty(self) -> bool:
        return not self.head.bytes

    @property
    def kept_bytes(self) -> int:
        return self._kept_bytes

    @property
    def is_complete(self) -> bool:
        """Whether a thread can work on it without waiting for the client."""
        return self.body is not None and (self.body.complete or self.is_hopeless)

    @property
    def is_hopeless(self) -> bool:
        """Whether its head alone says that the body will be refused, and it is best not awaited."""
        length = self.body.length if self.body else None
        if length is None:
            return self.moved_bytes > self._bounds.discarded_bytes
        if self.head.expects_continue:
            return length > self._bounds.kept_bytes
        return length > self._bounds.discarded_bytes

    @property
    def reads_on(self) -> bool:
        """Whether the bytes after this request are the next one's first."""
        return not self.is_over and self.body is not None and self.body.complete

    def begin_reading(self) -> None:
        self._received.seek(0)

    def close(self) -> None:
        self._received.close()

    # --- the thread's side: what gunicorn asks of a socket --------------------------------------

    def recv(self, size: int) -> bytes:
        return self._received.read(size)

    def sendall(self, data: bytes) -> None:
        self.answer += data

    def send(self, data: bytes) -> int:
        """100 Continue, which the loop has said already."""
        return len(data)

    def gettimeout(self) -> float:
        return 0.0
