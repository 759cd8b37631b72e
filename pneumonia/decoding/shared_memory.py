"""Memory that the service and one decoder both see: the upload goes over in it, the pixels back.

Copying pixels through a socket costs several milliseconds and as many switches between processes.
"""

import fcntl
import mmap
import os
import tempfile

from pneumonia.imaging import Limits

BYTES_PER_PIXEL = 4 + 2  # float32, and uint16 for all grey levels where these are apart


def size_bytes(limits: Limits) -> int:
    """Room for the largest upload, and then for the pixels of the largest film."""
    return max(limits.max_bytes, BYTES_PER_PIXEL * limits.max_pixels)


def make(limits: Limits) -> int:
    """A new file without a name, of that size and empty: its memory is taken as it is written.

    A decoder cannot cut it off, which would end the process that reads it (SIGBUS).
    """
    if not hasattr(os, "memfd_create"):  # not Linux
        with tempfile.TemporaryFile() as file:
            file.truncate(size_bytes(limits))
            return os.dup(file.fileno())
    file_descriptor = os.memfd_create("film", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file_descriptor, size_bytes(limits))
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file_descriptor, fcntl.F_ADD_SEALS, seals)
    return file_descriptor


def attach(file_descriptor: int, limits: Limits) -> mmap.mmap:
    """The memory; the file may be closed."""
    return mmap.mmap(file_descriptor, size_bytes(limits))
