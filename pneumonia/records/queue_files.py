"""The received files on disk, each from its arrival until it is read and its results are sent."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pneumonia.errors import ReceivedFileMissing


class QueueFiles:
    """``<folder>/<id>.film``: as they came, with all that they say of the patient.

    For this user's eyes only; what is here is in no backup.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, item_id: str) -> Path:
        return self._folder / f"{item_id}.film"

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, item_id: str, data: bytes) -> None:
        """Lay a file down so that no loss of power takes it away again. Raises OSError."""
        self._make_folder()
        path = self._path(item_id)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # its name, too
        finally:
            os.close(folder)

    def read(self, item_id: str) -> bytes:
        """Raises ReceivedFileMissing, OSError."""
        try:
            return self._path(item_id).read_bytes()
        except FileNotFoundError:
            raise ReceivedFileMissing(
                "The file that was received is gone from the data folder: a backup that was put "
                "back does not hold it. Send the film again."
            ) from None

    def delete(self, item_id: str) -> None:
        """Nothing happens where it is gone. Raises OSError."""
        self._path(item_id).unlink(missing_ok=True)

    def older(self, before: float) -> Iterator[str]:
        """Ids of the files that were written before a time (POSIX)."""
        for path in self._folder.glob("*.film"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    yield path.stem

    @contextlib.contextmanager
    def only_worker(self) -> Iterator[bool]:
        """Whether this process is the one that works through the queue, for the block.

        The lock ends with the process, however that ends. Raises OSError.
        """
        self._make_folder()
        with (self._folder / "worker.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
