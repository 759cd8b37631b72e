"""Films encrypted at rest, where the operator gives a key: AES-256-GCM.

A sealed file is :data:`MAGIC`, the key's id, a nonce of its own, and the ciphertext with its tag.
What stands before the nonce and the name of the file are authenticated with it, so that no film can
be put in the place of another. NIST SP 800-38D: 96 random bits of nonce are good for 2^32 films of
one key.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pneumonia.errors import FilmDamaged, FilmLocked

MAGIC = b"CXRFILM1"
KEY_BYTES = 32
_ID_BYTES, _NONCE_BYTES = 4, 12
HEAD_BYTES = len(MAGIC) + _ID_BYTES
"""By so many bytes of a file :func:`key_of` tells which key sealed it."""


@dataclass(frozen=True, slots=True)
class FilmKey:
    secret: bytes

    @property
    def id(self) -> str:
        """8 hex digits, that tell keys apart and nothing of them: they are random."""
        return hashlib.sha256(b"film key id" + self.secret).hexdigest()[: 2 * _ID_BYTES]


class FilmKeys:
    """The keys in a file, one a line in base64: the first one seals, every one opens.

    The file is read each time, so that a key that is added counts from then on.

    Parameters
    ----------
    file
        None: films are kept as they are. Sealed ones then stay closed.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def current(self) -> FilmKey | None:
        """The key that seals; None where films are kept as they are. Raises FilmLocked."""
        return self._load()[0] if self._file is not None else None

    def seal(self, data: bytes, name: str) -> bytes:
        """Data as it is to lie on the disk under a name. Raises FilmLocked."""
        key = self.current()
        if key is None:
            return data
        # It takes a while to import, and is needed only where there is a key.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, nonce = MAGIC + bytes.fromhex(key.id), os.urandom(_NONCE_BYTES)
        return head + nonce + AESGCM(key.secret).encrypt(nonce, data, head + name.encode())

    def open(self, data: bytes, name: str) -> bytes:
        """What :meth:`seal` was given; what was never sealed as it is.

        Raises
        ------
        FilmLocked
            Where the key is not there.
        FilmDamaged
            Where it is not what was sealed under this name.
        """
        key_id = key_of(data)
        if key_id is None:
            return data
        key = self._find(key_id)
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, body = data[:HEAD_BYTES], data[HEAD_BYTES:]
        try:
            return AESGCM(key.secret).decrypt(
                body[:_NONCE_BYTES], body[_NONCE_BYTES:], head + name.encode()
            )
        except (InvalidTag, ValueError):
            raise FilmDamaged(
                f"The film {name} is not what was written: its file is damaged, or another one was "
                "put in its place. Restore it from a backup, or delete the reading and send the "
                "film again."
            ) from None

    def _find(self, key_id: str) -> FilmKey:
        for key in self._load() if self._file is not None else []:
            if key.id == key_id:
                return key
        raise FilmLocked(
            f"The films are encrypted by the key {key_id}, which this server was not given. "
            "Nothing is lost: whoever runs this server adds that key to the file that "
            "PNEUMONIA_FILM_KEY_FILE names."
        )

    def _load(self) -> list[FilmKey]:
        try:
            lines = Path(str(self._file)).read_text(encoding="ascii").split()
            keys = [FilmKey(base64.b64decode(line, validate=True)) for line in lines]
        except (OSError, UnicodeDecodeError, binascii.Error) as error:
            why = getattr(error, "strerror", None) or "it is no base64"
            raise FilmLocked(_cannot(self._file, why)) from None
        if not keys or any(len(key.secret) != KEY_BYTES for key in keys):
            raise FilmLocked(_cannot(self._file, f"a key has {KEY_BYTES} bytes"))
        return keys


def key_of(head: bytes) -> str | None:
    """The id of the key that sealed a file; None where it is not sealed."""
    return head[len(MAGIC) : HEAD_BYTES].hex() if head.startswith(MAGIC) else None


def _cannot(file: Path | None, why: str) -> str:
    return (
        f"Films cannot be kept or shown: the key file {file} (PNEUMONIA_FILM_KEY_FILE) cannot be "
        f"used, {why}. It must hold a key a line, each as `openssl rand -base64 32` prints it. "
        "Nothing is lost: whoever runs this server puts it back."
    )
