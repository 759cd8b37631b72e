"""Where a request ends: how much to wait for before a thread is given to it (RFC 9112, 6 and 7).

Only a hint. gunicorn's parser decides what the request says, over the bytes found here and no
others: where the two disagree it meets the end of the data and refuses, and no byte is ever read
as part of two requests.
"""

import re

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNK_LINE_BYTES = 1024


class Head:
    """A request's line and fields, as they come in."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the head; returns the rest."""
        start = max(0, len(self.bytes) - len(_END_OF_HEAD) + 1)
        self.bytes += data
        end = self.bytes.find(_END_OF_HEAD, start)
        if end < 0:
            return b""
        self.complete = True
        rest = bytes(self.bytes[end + len(_END_OF_HEAD) :])
        del self.bytes[end + len(_END_OF_HEAD) :]
        return rest

    @property
    def is_post(self) -> bool:
        return self.bytes.startswith(b"POST ")

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body (RFC 9110, 10.1.1)."""
        return _EXPECTS.search(self.bytes) is not None

    def body(self) -> "Length | Chunks":
        if _CODED.search(self.bytes):
            return Chunks()
        found = _LENGTH.search(self.bytes)
        return Length(int(found[1]) if found else 0)


class Length:
    """A body of a declared length, in bytes."""

    def __init__(self, length: int) -> None:
        self.length = self._left = length

    @property
    def complete(self) -> bool:
        return self._left == 0

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the body."""
        taken = min(self._left, len(data))
        self._left -= taken
        return taken


class Chunks:
    """A body in chunks: a line with its size in hex, the bytes, a line end; the last has size 0."""

    length = None

    def __init__(self) -> None:
        self.complete = False
        self._line = bytearray()
        self._left = 0  # of a chunk and its line end
        self._is_trailer = False

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the body."""
        at = 0
        while at < len(data) and not self.complete:
            if self._left:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
                continue
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end + 1
            self._line += data[at:stop]
            at = stop
            if end >= 0:
                self._take_line()
            elif len(self._line) > _CHUNK_LINE_BYTES:
                self.complete = True  # not a size: gunicorn says so
        return at

    def _take_line(self) -> None:
        line = bytes(self._line).strip()
        self._line.clear()
        if self._is_trailer:
            self.complete = not line
            return
        try:
            size = int(line.partition(b";")[0].strip(), 16)
        except ValueError:
            size = -1
        if size < 0 or len(line) > _CHUNK_LINE_BYTES:
            self.complete = True
        elif size == 0:
            self._is_trailer = True
        else:
            self._left = size + 2
