"""What decoding one upload may cost, and when a decoder has served long enough."""

from typing import Final

from pneumonia.imaging import Limits

CPU_S: Final = 10
"""Processor seconds of one upload. The largest film in the slowest encoding takes about four."""

WALL_S: Final = 30.0
"""Seconds until a decoder must have answered, on a machine with other work, too."""

UPLOADS_PER_DECODER: Final = 200
GROWN_BYTES: Final = 64 * 2**20
"""A decoder that has grown by this much ends, and what it took goes back to the system."""

FILES_OPEN: Final = 32
_BASE_BYTES: Final = 512 * 2**20
_BYTES_PER_PIXEL: Final = 24  # the most that was seen is 20: a palette's, and a PNG's with alpha
_COPIES_OF_FILE: Final = 4


def memory_bytes(limits: Limits) -> int:
    """Address space that a decoder may take beside what it was started with."""
    return _BASE_BYTES + _BYTES_PER_PIXEL * limits.max_pixels + _COPIES_OF_FILE * limits.max_bytes
