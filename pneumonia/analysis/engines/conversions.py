"""Converted networks on disk, by the hash of their source. Losing one costs time."""

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from pneumonia import networks
from pneumonia.analysis.bundle import Bundle

KEPT = 4  # bundles
_log = logging.getLogger(__name__)


def digest(bundle: Bundle, converter: str) -> str:
    """SHA-256 (hex) of a bundle's networks, the code that builds them, and the converter."""
    card = bundle.card
    said = [converter, asdict(card.network), asdict(card.preprocess)]
    hashed = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    hashed.update(f"{card.weights_sha256} {card.lungs_sha256}".encode())
    for path in sorted(Path(networks.__path__[0]).glob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


class Conversions:
    """A folder of converted networks; None keeps nothing.

    It is made where it is missing. What cannot be read or written is converted again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, key: str) -> Path:
        """The folder of a bundle's converted networks. Raises FileNotFoundError."""
        if self._folder is None or not (path := self._folder / key).is_dir():
            raise FileNotFoundError(f"no converted networks {key}")
        return path

    @contextmanager
    def make(self, key: str, write: Callable[[Path], None]) -> Iterator[Path]:
        """Have ``write`` fill a folder, which appears whole, in place of one of before.

        For the length of the block alone where nothing is kept.
        """
        home = self._home()
        with tempfile.TemporaryDirectory(prefix=".part-", dir=home) as scratch:
            part = Path(scratch) / "networks"
            part.mkdir()
            write(part)
            yield self._keep(key, part, home) if home else part

    def _home(self) -> Path | None:
        if self._folder is None:
            return None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("the converted networks are not kept, and made anew next time: %s", error)
            return None
        return self._folder

    def _keep(self, key: str, part: Path, home: Path) -> Path:
        kept = home / key
        with suppress(FileNotFoundError):
            kept.rename(part.with_name("before"))
        try:
            part.rename(kept)
        except OSError:  # another process was as quick with the same
            if not kept.is_dir():
                raise
        found = sorted(home.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
        for path in found[:-KEPT]:
            shutil.rmtree(path, ignore_errors=True)
        return kept
