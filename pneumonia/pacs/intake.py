"""The one door of all films from other systems: looked at, written down, then acknowledged."""

import hashlib
import threading
from enum import Enum, auto

from pneumonia.dicom.marks import MAKER
from pneumonia.imaging import Limits, open_upload
from pneumonia.imaging.dicom import read_study
from pneumonia.records import Queue, Source


class Taken(Enum):
    """What became of a film that arrived."""

    NEW = auto()
    """It is written down, and will be read."""
    ALREADY = auto()
    """It arrived before."""
    OWN_RESULT = auto()
    """It is a result of this program, come round by a PACS that sends on all it gets."""


class Intake:
    """Takes films into the queue. Safe under threads.

    Parameters
    ----------
    limits
        Bounds on the bytes and pixels of a film.
    arrived
        Set when there is something new in the queue.
    """

    def __init__(self, queue: Queue, limits: Limits, arrived: threading.Event) -> None:
        self.limits = limits
        self._queue = queue
        self._arrived = arrived

    def take(self, data: bytes, source: Source, peer: str = "", address: str = "") -> Taken:
        """Write a film down; when this returns, it outlasts a crash.

        Parameters
        ----------
        data
            The whole file.
        peer, address
            Who sends it, as in :class:`QueueItem`.

        Raises
        ------
        ImageError
            Where it shows before decoding that the file holds no film that can be read.
        StorageUnavailable
        """
        upload = open_upload(data, self.limits)
        upload.check()
        key = hashlib.sha256(data)
        if upload.header is not None:
            study = read_study(data)
            if study.get("Manufacturer") == MAKER:
                return Taken.OWN_RESULT
            if instance := study.get("SOPInstanceUID"):
                key = hashlib.sha256(str(instance).encode())
        if not self._queue.add(data, key.hexdigest(), source, peer, address):
            return Taken.ALREADY
        self._arrived.set()
        return Taken.NEW
