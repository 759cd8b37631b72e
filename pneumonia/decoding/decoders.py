"""The service's side: films go to decoders in other processes, and come back as Radiographs."""

import logging
import mmap
import os
import signal
import socket
import subprocess  # nosec B404  # our own module, by the running interpreter
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pneumonia.config import ROOT
from pneumonia.decoding import bounds, confinement, shared_memory
from pneumonia.decoding.messages import (
    GO_ON,
    MAX_LINE_BYTES,
    TOO_MUCH_MEMORY,
    BadMessage,
    pack,
    rebuild,
    refusal,
    unpack,
)
from pneumonia.errors import DecoderStopped, DecoderUnavailable
from pneumonia.imaging import Limits, Radiograph
from pneumonia.telemetry import DECODERS_STOPPED

log = logging.getLogger(__name__)

KEPT_WAITING = min(4, os.cpu_count() or 1)
"""Decoders that wait for a film; those beyond end after theirs."""

RESTART_AFTER_S = 2.0
"""Between two starts of the template, so that one which cannot run does not take all cores."""


class Decoders:
    """Decoders in processes of their own, started when the first film comes. For any threads.

    Parameters
    ----------
    limits
        Bounds on the bytes and pixels of an upload.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: list[Channel] = []
        self._template: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._started_at = float("-inf")

    @contextmanager
    def open(
        self, data: bytes, *, study: bool = False, accession: bool = False, turn: int = 0
    ) -> Iterator["Opened"]:
        """Read a film's header; its pixels are decoded when they are asked for.

        Parameters
        ----------
        data
            The whole file: JPEG, PNG or DICOM.
        study
            Whether a DICOM film's patient and study are wanted, too.
        accession
            Whether its Accession Number is.
        turn
            By how many degrees clockwise the film will be turned; the study says so.

        Raises
        ------
        ImageError
            As :func:`pneumonia.imaging.decode`; also where the decoder did not survive the file, or
            took too long (:class:`DecoderStopped`).
        DecoderUnavailable
            When no decoder can be started.
        """
        self._limits.check_bytes(len(data))
        opened = Opened(self._take(), self._limits, self._give_back)
        try:
            opened.send(data, study=study, accession=accession, turn=turn)
            yield opened
        finally:
            opened.close()

    def close(self) -> None:
        """End every decoder. One that is asked for later is started anew."""
        with self._lock:
            template, self._template = self._template, None
            waiting, self._waiting = self._waiting, []
            control, self._control = self._control, None
            self._started_at = float("-inf")
            if control is not None:
                control.close()
        for channel in waiting:
            channel.close()
        if template is not None:
            template.wait()

    def _give_back(self, channel: "Channel") -> None:
        with self._lock:
            if len(self._waiting) < KEPT_WAITING:
                self._waiting.append(channel)
                return
        channel.close()

    def _take(self) -> "Channel":
        """A decoder that waits, the last one that worked first; else a new one."""
        with self._lock:
            while self._waiting:
                channel = self._waiting.pop()
                if channel.is_alive():
                    return channel
                channel.close()
            return self._start_decoder()

    def _start_decoder(self) -> "Channel":
        with ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair()
                undo.callback(theirs.close)
                memory = shared_memory.make(self._limits)
                undo.callback(os.close, memory)
                self._ask_for_decoder(theirs.fileno(), memory)
                return Channel(ours, shared_memory.attach(memory, self._limits))
            except OSError as error:  # no template, or no files or memory are left
                raise unavailable() from error

    def _ask_for_decoder(self, *files: int) -> None:
        if self._control is not None:
            with suppress(OSError):  # the template is not there any more
                socket.send_fds(self._control, [b"\0"], files)
                return
        socket.send_fds(self._start_template(), [b"\0"], files)

    def _start_template(self) -> socket.socket:
        if time.monotonic() - self._started_at < RESTART_AFTER_S:
            raise ConnectionError("the template ended as soon as it was started")
        self._started_at = time.monotonic()
        if self._control is not None:
            self._control.close()
        if self._template is not None:
            log.warning("The template of the decoders ended (%s)", self._template.poll())
        if absent := confinement.missing():
            log.warning("Films are decoded without %s: this kernel lacks it", " and ".join(absent))
        self._control, theirs = socket.socketpair()
        with theirs:
            self._template = subprocess.Popen(  # noqa: S603  # nosec B603
                [
                    *(sys.executable, "-m", "pneumonia.decoding.template", str(theirs.fileno())),
                    *(str(self._limits.max_bytes), str(self._limits.max_pixels)),
                ],
                cwd=ROOT,
                env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return self._control


class Opened:
    """A film whose header a decoder has read.

    Attributes
    ----------
    pixels
        How many pixels decoding will make; see :class:`pneumonia.imaging.Upload`.
    study
        Of a decoded DICOM film, where it was asked for: its patient and study.
    accession
        The same of its Accession Number; empty where it has none.
    """

    def __init__(
        self, channel: "Channel", limits: Limits, give_back: Callable[["Channel"], None]
    ) -> None:
        self.pixels = 0
        self.study = b""
        self.accession = ""
        self._channel: Channel | None = channel
        self._limits = limits
        self._give_back = give_back

    def send(self, data: bytes, **wanted: bool | int) -> None:
        """Have the header read; raises as :meth:`Decoders.open`."""
        assert self._channel is not None
        self._channel.begin()
        self._channel.memory[: len(data)] = data
        self._channel.send(pack(bytes=len(data), **wanted))
        pixels = self._channel.hear("pixels")["pixels"]
        if not isinstance(pixels, int):
            raise self._channel.stopped("crash")
        self.pixels = max(0, pixels)

    def decode(self) -> Radiograph:
        """The film, once; raises as :meth:`Decoders.open`."""
        channel = self._channel
        assert channel is not None
        channel.begin()
        channel.send(GO_ON)
        answer = channel.hear("radiograph")
        try:
            radiograph = rebuild(dict(answer["radiograph"]), self._limits, channel.memory)
            self.study = bytes.fromhex(str(answer["study"]))
            self.accession = str(answer["accession"])
        except (BadMessage, TypeError, ValueError, KeyError):
            raise channel.stopped("crash") from None
        if answer.get("again") is True:
            self._channel = None
            self._give_back(channel)
        return radiograph

    def close(self) -> None:
        """Hang up, which ends the decoder unless it was given back."""
        if self._channel is not None:
            self._channel.close()


class Channel:
    """The way to one decoder: a socket, memory that both see, and the time it has to answer."""

    def __init__(self, sock: socket.socket, memory: mmap.mmap) -> None:
        self.memory = memory
        self._socket = sock
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + bounds.WALL_S

    def is_alive(self) -> bool:
        """Whether a decoder that waits still does: it has neither spoken nor hung up."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self._socket.close()
        self.memory.close()

    def send(self, data: bytes) -> None:
        """Say something. Where nobody listens any more, :meth:`hear` will find why."""
        self._wait()
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise self.stopped("time") from None
        except OSError:
            return

    def hear(self, field: str) -> dict[str, Any]:
        """The next line, with that field; raises what it says else."""
        line = b""
        while not line.endswith(b"\n"):
            line += self._receive()
            if len(line) > MAX_LINE_BYTES:
                raise self.stopped("crash")
        try:
            fields = unpack(line)
            if field in fields:
                return fields
            if "ended_by" in fields:
                raise self.stopped(_cause(int(fields["ended_by"])))
            found = refusal(fields)
        except (BadMessage, TypeError, ValueError):
            raise self.stopped("crash") from None
        if isinstance(found, DecoderStopped):
            DECODERS_STOPPED.labels("memory").inc()
        raise found

    def stopped(self, cause: str) -> DecoderStopped:
        """The error for a decoder that does not come back with an answer."""
        DECODERS_STOPPED.labels(cause).inc()
        log.warning("A decoder was stopped by the file it was given: %s", cause)
        return DecoderStopped(_SENTENCES[cause])

    def _receive(self) -> bytes:
        self._wait()
        try:
            data = self._socket.recv(MAX_LINE_BYTES)
        except TimeoutError:
            raise self.stopped("time") from None
        except OSError:
            data = b""
        if not data:  # It would have been told of a decoder that ended by the film.
            raise unavailable()
        return data

    def _wait(self) -> None:
        self._socket.settimeout(max(0.001, self._until - time.monotonic()))


def unavailable() -> DecoderUnavailable:
    return DecoderUnavailable(
        "Films cannot be decoded at the moment. Try again in a few seconds; if it goes on, tell "
        "whoever runs this server."
    )


def _cause(signal_number: int) -> str:
    """Of the end: SIGKILL comes from a kernel that has no memory left."""
    causes: dict[int, str] = {signal.SIGXCPU: "time", signal.SIGKILL: "memory"}
    return causes.get(signal_number, "crash")


_SENTENCES = {
    "memory": TOO_MUCH_MEMORY,
    "time": (
        "Decoding this film takes longer than one film may have here. Export it at a lower "
        "resolution, or as a JPEG or PNG."
    ),
    "crash": (
        "The file ended its decoder: it is damaged, or made to do harm. Export the film again, or "
        "as a JPEG or PNG."
    ),
}
