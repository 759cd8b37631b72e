"""Converted networks on disk, by the hash of their source. Losing one costs time."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

KEPT = 8  # a bundle has two networks: those of the last four bundles
_log = logging.getLogger(__name__)


def digest(network: nn.Module, image: Tensor, converter: str) -> str:
    """SHA-256 (hex) of a network's layers and weights, its input's shape and the converter."""
    hashed = hashlib.sha256(f"{converter} {tuple(image.shape)} {network}".encode())
    for name, tensor in network.state_dict().items():
        hashed.update(name.encode())
        hashed.update(tensor.contiguous().numpy().tobytes())
    return hashed.hexdigest()


class Conversions:
    """A folder of converted networks; None keeps nothing.

    It is made where it is missing. What cannot be read or written is converted again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, key: str) -> Path:
        """The file of a converted network. Raises FileNotFoundError."""
        if self._folder is None or not (path := self._folder / key / "network.xml").is_file():
            raise FileNotFoundError(f"no converted network {key}")
        return path

    def keep(self, key: str, save: Callable[[Path], None]) -> None:
        """Have ``save`` write a converted network; it appears whole, in place of one of before."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=self._folder))
            try:
                save(part / "network.xml")
                shutil.rmtree(self._folder / key, ignore_errors=True)
                part.rename(self._folder / key)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            self._forget_old()
        except (OSError, RuntimeError) as error:
            _log.warning("the converted network is not kept, and made anew next time: %s", error)

    def _forget_old(self) -> None:
        assert self._folder is not None
        kept = sorted(self._folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-KEPT]:
            shutil.rmtree(path, ignore_errors=True)
