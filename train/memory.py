"""Let the C library keep the memory that torch frees, instead of giving it back each time.

A batch's activations are larger than the size from which glibc maps memory anew for every request
and unmaps it after: the kernel then spends its time in handing out zeroed pages. Kept, the same
memory serves the next layer. ``docs/experiments.md`` has the measurement.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc's malloc.h
_LARGEST = 2**31 - 1  # bytes; mallopt takes an int


def keep_freed_memory() -> bool:
    """Ask glibc to; returns whether it agreed. Other C libraries are left as they are."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    wishes = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 256 * 2**20))
    return all(mallopt(name, value) == 1 for name, value in wishes)
