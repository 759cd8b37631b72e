"""The process that decoders are forked from: it has imported what they need, and sees no film.

``python -m pneumonia.decoding.template FD MAX_BYTES MAX_PIXELS``, where FD is a socket: a byte on
it comes with another socket and with memory, and asks for a decoder behind these. It has one thread
and no torch, so forking it is safe, quick and small. It ends, and all decoders with it, when its
socket is closed.
"""

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

import cv2
import imagecodecs
from PIL import Image

from pneumonia.decoding import bounds, confinement, shared_memory
from pneumonia.decoding.decoder import serve
from pneumonia.decoding.messages import pack
from pneumonia.imaging import Limits, dicom_codecs

CHANNEL = 3
"""The one open file of a decoder, beside three that lead nowhere."""


class Template:
    """Starts decoders, says how those ended that ended badly, and ends whose caller is gone."""

    def __init__(self, control: socket.socket, limits: Limits, memory_bytes: int) -> None:
        self._control = control
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._calls = confinement.make_filter()
        self._channels: dict[int, socket.socket] = {}  # by the decoder's process
        self._ended, wake = socket.socketpair()
        for end in (self._ended, wake):
            end.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno())

    def run(self) -> None:
        """Until the other side of the control socket is closed."""
        events = select.poll()
        events.register(self._control, select.POLLIN)
        events.register(self._ended, select.POLLIN)
        while True:
            for fd, _ in events.poll():
                if fd == self._control.fileno():
                    byte, fds, _, _ = socket.recv_fds(self._control, 1, 2)
                    if not byte:
                        self._end_all()
                        return
                    if len(fds) == 2:
                        self._start(socket.socket(fileno=fds[0]), fds[1], events)
                elif fd == self._ended.fileno():
                    self._ended.recv(4096)
                else:
                    self._hung_up(fd, events)
            self._reap(events)

    def _start(self, channel: socket.socket, memory: int, events: select.poll) -> None:
        try:
            process = os.fork()
        except OSError as error:  # the caller sees the end of its socket
            print(f"No decoder could be started: {error}", file=sys.stderr, flush=True)
            channel.close()
            os.close(memory)
            return
        if process == 0:
            self._become_decoder(channel, memory)
        os.close(memory)
        self._channels[process] = channel
        events.register(channel, 0)  # tells of a hang-up alone

    def _hung_up(self, fd: int, events: select.poll) -> None:
        """The caller waits no longer: nobody needs this decoder any more."""
        events.unregister(fd)
        for process, channel in self._channels.items():
            if channel.fileno() == fd:
                os.kill(process, signal.SIGKILL)  # Not reaped yet, so the number is still its own.

    def _reap(self, events: select.poll) -> None:
        while self._channels:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            channel = self._channels.pop(process)
            ended_by = -os.waitstatus_to_exitcode(status)
            if ended_by:
                with suppress(OSError):  # the caller is gone
                    channel.send(pack(ended_by=ended_by), socket.MSG_DONTWAIT)
            with suppress(KeyError):  # it hung up before
                events.unregister(channel)
            channel.close()

    def _end_all(self) -> None:
        for process in self._channels:
            os.kill(process, signal.SIGKILL)

    def _become_decoder(self, channel: socket.socket, memory: int) -> NoReturn:
        """Close everything but channel and memory, be confined, serve, and end."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            shared = shared_memory.attach(memory, self._limits)
            os.dup2(channel.fileno(), CHANNEL)
            os.dup2(0, 2)  # Decoders' complaints may quote what films hold.
            os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
            own = socket.socket(fileno=CHANNEL)
            confinement.limit_process(self._memory_bytes)
            if self._calls is not None:
                self._calls.load()
            serve(own, shared, self._limits)
            status = 0
        finally:
            os._exit(status)


def main() -> None:
    control, max_bytes, max_pixels = (int(text) for text in sys.argv[1:])
    for stop in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends us when it ends
        signal.signal(stop, signal.SIG_IGN)
    cv2.setNumThreads(1)  # Decoders may not start threads.
    Image.init()
    for name in ("jpegls_decode", "jpeg2k_decode", "jpeg8_decode", "dicomrle_decode"):
        getattr(imagecodecs, name)  # imported when it is first named
    assert dicom_codecs.DECODER_DEPENDENCIES  # imported for the sake of it, and pydicom with it
    limits = Limits(max_bytes, max_pixels)
    memory_bytes = (
        bounds.memory_bytes(limits) + shared_memory.size_bytes(limits) + confinement.address_space()
    )
    template = Template(socket.socket(fileno=control), limits, memory_bytes)
    confinement.close_files()
    gc.freeze()
    template.run()


if __name__ == "__main__":
    main()
