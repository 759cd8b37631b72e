"""The SQLite file under an open engine: whether it still lies where it lay."""

from pathlib import Path

Identity = tuple[int, int]  # device and inode


class DatabaseFile:
    """SQLite goes on writing into a file that was deleted or moved, and says nothing.

    Parameters
    ----------
    path
        Of the database; None where it is not a file, and then nothing is ever missing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._opened: Identity | None = None
        self._has_log = False

    def remember(self) -> None:
        """Take what lies there now for the database that is open."""
        self._opened = self._identity()
        self._has_log = self._log_exists()

    @property
    def is_there(self) -> bool:
        """Whether what is committed now would be found after a restart."""
        if self.path is None or self._opened is None:
            return True
        if self._identity() != self._opened:
            return False
        return self._log_exists() or not self._has_log

    @property
    def is_replaced(self) -> bool:
        """Whether another database, not an empty file, lies in its place: one that was restored."""
        if self.path is None or self._opened is None:
            return False
        found = self._identity()
        return found is not None and found != self._opened and self.path.stat().st_size > 0

    def _identity(self) -> Identity | None:
        try:
            found = self.path.stat() if self.path else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def _log_exists(self) -> bool:
        """The write-ahead log, which holds the newest readings while anybody is connected."""
        return self.path is not None and Path(f"{self.path}-wal").exists()
