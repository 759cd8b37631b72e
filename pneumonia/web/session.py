"""The key that signs sessions and forms: given by a setting, or made once and kept."""

import os
import secrets
from pathlib import Path

from flask import Flask, Request, current_app, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from pneumonia.errors import StorageUnavailable
from pneumonia.web.services import services


def load_secret_key(data_dir: Path) -> str:
    """Read the key from the data folder, or make it; processes that race get the same one."""
    path = data_dir / "secret_key"
    try:
        if not path.exists():
            _make(path)
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise StorageUnavailable(
            f"The data folder {data_dir} cannot be used: {error.strerror}. Make it writable for "
            "the user that runs the server, or set PNEUMONIA_DATA_DIR to a folder that is."
        ) from error


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        # A link, unlike a rename, fails where the name is taken: the first process wins.
        path.hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def ensure_secret_key(app: Flask) -> None:
    """Raises StorageUnavailable when the key has to be kept and cannot be."""
    if not app.secret_key:
        settings = services(app).settings
        app.secret_key = settings.secret_key or load_secret_key(settings.data_dir)


def require_session() -> None:
    """Before each request: health and static files go without a key, the rest says why it cannot.

    A full disk must not look like a dead process, nor take the style off the page that says so.

    Raises
    ------
    StorageUnavailable
        As :func:`ensure_secret_key`.
    """
    if request.endpoint not in ("health.live", "static"):
        ensure_secret_key(current_app)


class SessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, with the key fetched when the first request needs it.

    Commands that serve nobody then write nothing to the data folder.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Flask's session; without a key one that can be read and is empty.

        Sessions open before routes match and before errors can become pages: whether a request
        needs the key is `require_session`'s to say.
        """
        try:
            return super().open_session(app, request)
        except StorageUnavailable:
            return None  # Flask puts its null session there.

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        ensure_secret_key(app)
        return super().get_signing_serializer(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure
