"""The films' pictures on disk: one PNG per reading, whole or not there at all, sealed by a key."""

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from pneumonia.errors import RadiographMissing, ReadingNotFound
from pneumonia.records.film_keys import HEAD_BYTES, FilmKeys, key_of

_ID = re.compile(r"[0-9a-f]{32}")


class Radiographs:
    """``<folder>/<first two of id>/<id>.png``."""

    def __init__(self, folder: Path, keys: FilmKeys | None = None) -> None:
        self._folder = folder
        self.keys = keys or FilmKeys()

    def path(self, reading_id: str) -> Path:
        """Raises ReadingNotFound for what is not an id, so that no path is ever made of it."""
        if not _ID.fullmatch(reading_id):
            raise ReadingNotFound(f"There is no reading {reading_id[:40]!r}. Check the address.")
        return self._folder / reading_id[:2] / f"{reading_id}.png"

    def write(self, reading_id: str, png: bytes, levels_png: bytes | None = None) -> None:
        """Lay a film down, marked as pending until it is settled. Raises FilmLocked."""
        path = self.path(reading_id)
        self.keys.current()  # before there is anything to clean up
        self._make_folder(path)
        self._pending(reading_id).touch()
        try:
            if levels_png is not None:
                self._write(self.levels_path(reading_id), levels_png)
            self._write(path, png)
        except OSError:
            self.levels_path(reading_id).unlink(missing_ok=True)
            self.settle(reading_id)
            raise

    def _make_folder(self, path: Path) -> None:
        # Films of patients: for this user's eyes only, whatever the umask says.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)

    def _write(self, path: Path, png: bytes) -> None:
        self._make_folder(path)
        # A reader, or a crash half way, never meets half a picture: the rename is atomic.
        part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(self.keys.seal(png, path.name))
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def read(self, reading_id: str) -> bytes:
        """The film's PNG.

        Raises
        ------
        RadiographMissing
            Where the file is gone, or is not what was written.
        FilmLocked
        ReadingNotFound
            For what is not an id.
        """
        path = self.path(reading_id)
        try:
            return self.keys.open(path.read_bytes(), path.name)
        except FileNotFoundError:
            raise RadiographMissing(
                f"The picture of reading {reading_id} is missing from the data folder "
                f"(films/{path.parent.name}/{path.name}). Restore it from a backup, or delete the "
                "reading and send the film again."
            ) from None

    def head(self, reading_id: str, length: int) -> bytes:
        """The first bytes of a film; none where it is gone."""
        try:
            with self.path(reading_id).open("rb") as file:
                return file.read(length)
        except FileNotFoundError:
            return b""

    def delete(self, reading_id: str) -> None:
        self.path(reading_id).unlink(missing_ok=True)
        self._delete_companions(reading_id)

    # --- what lies beside a film, and is out of reach without it ---------------------------------

    def levels_path(self, reading_id: str) -> Path:
        """Where all grey levels are kept of a film that has more than 8 bits show."""
        return self.path(reading_id).with_suffix(".levels")

    def levels(self, reading_id: str) -> bytes | None:
        """None where none were kept, or their film is gone."""
        return self._companion(reading_id, self.levels_path(reading_id))

    def has_levels(self, reading_id: str) -> bool:
        return self.levels_path(reading_id).is_file()

    def _companion(self, reading_id: str, path: Path) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            if self.path(reading_id).is_file():
                return self.keys.open(path.read_bytes(), path.name)
        return None

    def _delete_companions(self, reading_id: str) -> None:
        self.levels_path(reading_id).unlink(missing_ok=True)
        self._thumbnail(reading_id).unlink(missing_ok=True)

    def _thumbnail(self, reading_id: str) -> Path:
        return self.path(reading_id).with_suffix(".thumbnail")

    def thumbnail(self, reading_id: str) -> bytes | None:
        """The film made small, once; None where none was kept, or the film is gone."""
        return self._companion(reading_id, self._thumbnail(reading_id))

    def keep_thumbnail(self, reading_id: str, png: bytes) -> None:
        """Keep it for the next time; it never outlives its film, nor fails for want of room."""
        kept = self._thumbnail(reading_id)
        with contextlib.suppress(OSError):
            self._write(kept, png)
            if not self.path(reading_id).is_file():  # deleted meanwhile
                kept.unlink(missing_ok=True)

    # --- another key ----------------------------------------------------------------------------

    def sealed_by(self, reading_id: str) -> str | None:
        """Id of the key that sealed a film; None where none did. Raises FileNotFoundError."""
        return _sealed_by(self.path(reading_id))

    def all(self) -> Iterator[str]:
        """Ids of the films that are there, but for those on their way to their row."""
        for path in self._folder.glob("*/*.png"):
            if _ID.fullmatch(path.stem) and not self._pending(path.stem).exists():
                yield path.stem

    def seal_anew(self, reading_id: str) -> bool:
        """Seal a film and what lies beside it by the current key; returns whether any was not yet.

        Raises FilmLocked, FilmDamaged; FileNotFoundError where the film was deleted meanwhile.
        """
        current = self.keys.current()
        path = self.path(reading_id)
        beside = self.levels_path(reading_id), self._thumbnail(reading_id)
        stale = [one for one in (path, *beside) if one.exists()]
        stale = [one for one in stale if _sealed_by(one) != (current and current.id)]
        for one in stale:
            self._write(one, self.keys.open(one.read_bytes(), one.name))
        return bool(stale)

    # --- a film on its way to its row -----------------------------------------------------------

    def _pending(self, reading_id: str) -> Path:
        path = self.path(reading_id)
        return path.with_name(f".{path.stem}.pending")

    def settle(self, reading_id: str) -> None:
        """Say that a film's row is written, or that there will be none."""
        with contextlib.suppress(OSError):  # what is left is settled by the next sweep
            self._pending(reading_id).unlink(missing_ok=True)

    def pending(self, before: float) -> Iterator[str]:
        """Ids of films that were begun before a time (POSIX) and have not been settled."""
        for path in self._folder.glob("*/.*.pending"):
            reading_id = path.name.split(".")[1]
            with contextlib.suppress(FileNotFoundError):
                if _ID.fullmatch(reading_id) and path.stat().st_mtime < before:
                    yield reading_id

    def discard(self, reading_id: str) -> None:
        """Remove a film that has no row, or the part of it that there is."""
        path = self.path(reading_id)
        for part in path.parent.glob(f".{path.stem}.*.part"):
            part.unlink(missing_ok=True)
        self.delete(reading_id)

    # --- a deletion in two steps ----------------------------------------------------------------

    def _aside(self, reading_id: str) -> Path:
        return self.path(reading_id).with_suffix(".deleted")

    def is_aside(self, reading_id: str) -> bool:
        return self._aside(reading_id).is_file()

    def set_aside(self, reading_id: str) -> None:
        """Take a film out of reach, so that it can be removed or brought back."""
        with contextlib.suppress(FileNotFoundError):
            self.path(reading_id).replace(self._aside(reading_id))

    def empty_aside(self, reading_id: str) -> None:
        """Give up a film's room on the disk; what is left of it says that its row is to go."""
        self._delete_companions(reading_id)
        os.truncate(self._aside(reading_id), 0)

    def is_emptied(self, reading_id: str) -> bool:
        return self.is_aside(reading_id) and self._aside(reading_id).stat().st_size == 0

    def bring_back(self, reading_id: str) -> None:
        if self.is_emptied(reading_id):
            return
        with contextlib.suppress(FileNotFoundError):
            self._aside(reading_id).replace(self.path(reading_id))

    def remove_aside(self, reading_id: str) -> None:
        self._delete_companions(reading_id)
        self._aside(reading_id).unlink(missing_ok=True)

    def aside(self) -> Iterator[str]:
        """Ids of the readings whose film lies aside."""
        for path in self._folder.glob("*/*.deleted"):
            if _ID.fullmatch(path.stem):
                yield path.stem


def _sealed_by(path: Path) -> str | None:
    with path.open("rb") as file:
        return key_of(file.read(HEAD_BYTES))
