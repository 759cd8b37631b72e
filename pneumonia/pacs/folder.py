"""A watched folder, for clinics whose machines can copy a file and nothing else."""

import logging
import os
import secrets
import threading
from pathlib import Path

from pneumonia.errors import BadSetting, DomainError, FileTooLarge, ImageError
from pneumonia.pacs.intake import Intake
from pneumonia.records import Source

DONE, FAILED = "done", "failed"
_LOOKS_S = 2.0
_UNFINISHED = (".part", ".tmp", ".crdownload")
log = logging.getLogger(__name__)

State = tuple[int, int]
"""Size in bytes and time of the last change, ns."""


class WatchedFolder:
    """Takes what appears below a folder into the queue, then moves it into ``done`` or ``failed``.

    A file is taken when it has not changed between two looks; hidden ones, and those whose names
    say that they are still being written, are left alone. Links are not followed.

    Raises
    ------
    BadSetting
        Where there is no such folder, or nothing can be moved in it.
    """

    def __init__(self, intake: Intake, folder: Path) -> None:
        self._intake = intake
        self._folder = folder
        self._seen: dict[Path, State] = {}
        try:
            for name in (DONE, FAILED):
                (folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise BadSetting(
                f"The folder {folder} cannot be watched: {error.strerror}. It must exist, and "
                "films are moved in it: this process must be allowed to write there."
            ) from None

    def run(self, over: threading.Event) -> None:
        """Look, again and again, until it is over."""
        while not over.is_set():
            try:
                self.look()
            except DomainError as error:
                log.error("the folder %s: %s", self._folder, error)
            except OSError as error:
                log.error("the folder %s cannot be looked through: %s", self._folder, error)
            over.wait(_LOOKS_S)

    def look(self) -> int:
        """Take what has settled since the last look; returns how many files.

        Raises
        ------
        StorageUnavailable
            The file stays where it is, and is taken later.
        """
        found = self._find()
        settled = [path for path, state in found.items() if self._seen.get(path) == state]
        self._seen = found
        for path in settled:
            self._take(path)
            del self._seen[path]
        return len(settled)

    def _find(self) -> dict[Path, State]:
        found = {}
        for root, folders, names in os.walk(self._folder):
            at_top = Path(root) == self._folder
            folders[:] = [
                name
                for name in folders
                if not name.startswith(".") and not (at_top and name in (DONE, FAILED))
            ]
            for name in names:
                path = Path(root) / name
                if name.startswith(".") or path.suffix.lower() in _UNFINISHED:
                    continue
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    continue
                if path.is_file() and not path.is_symlink():
                    found[path] = (status.st_size, status.st_mtime_ns)
        return found

    def _take(self, path: Path) -> None:
        limits = self._intake.limits
        try:
            limits.check_bytes(path.stat().st_size)
            self._intake.take(path.read_bytes(), Source.FOLDER)
        except (ImageError, FileTooLarge) as error:
            self._move(path, FAILED, error.detail)
        else:
            self._move(path, DONE)

    def _move(self, path: Path, where: str, why: str = "") -> None:
        """Beside whatever lies there already: nothing is overwritten."""
        target = self._folder / where / path.name
        if target.exists():
            target = target.with_name(f"{path.stem}-{secrets.token_hex(4)}{path.suffix}")
        path.rename(target)
        if why:
            target.with_name(f"{target.name}.txt").write_text(f"{why}\n")
