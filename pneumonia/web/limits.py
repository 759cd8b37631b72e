"""What a client may send: the size of a body, the rate of uploads; refused bodies are read away."""

import time

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse_many

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.web import problems

_UPLOADS = ("api.create", "pages.upload", "pages.sample")
# What multipart framing, the CSRF token and headers may add to the file itself.
_OVERHEAD_BYTES = 64 * 2**10
_DISCARD_MAX_BYTES = 256 * 2**20
_DISCARD_MAX_S = 30.0


def register(app: Flask, settings: Settings) -> None:
    """Bound bodies and uploads. Raises BadSetting for a rate that cannot be read."""
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + _OVERHEAD_BYTES,
        MAX_FORM_MEMORY_SIZE=500_000,  # Werkzeug needs more than one 64 KiB piece of a file.
        MAX_FORM_PARTS=16,
    )
    _limit_uploads(app, settings.rate_limit)
    app.after_request(discard_body)


def _limit_uploads(app: Flask, rate: str) -> None:
    """One allowance per client address, over all the doors an upload can come through."""
    if not rate.strip():
        return
    try:
        parse_many(rate)
    except ValueError:
        raise BadSetting(
            f"PNEUMONIA_RATE_LIMIT is {rate!r}; it must read like '600 per minute', or be empty."
        ) from None
    limiter = Limiter(
        get_remote_address, app=app, storage_uri="memory://", on_breach=problems.note_breach
    )
    shared = limiter.shared_limit(rate, scope="uploads")
    for endpoint in _UPLOADS:
        app.view_functions[endpoint] = shared(app.view_functions[endpoint])  # type: ignore[assignment]


def discard_body(response: Response) -> Response:
    """After an early refusal, read the upload away, in small pieces, keeping none of it.

    A server that closes a connection with bytes unread resets it, and the client would see a
    broken connection instead of the reason. Bounded in size and time; Werkzeug's development
    server does the same by itself.
    """
    if response.status_code not in (413, 429):
        return response
    if request.environ.get("SERVER_SOFTWARE", "").startswith("Werkzeug"):
        return response
    body, left = request.environ["wsgi.input"], _DISCARD_MAX_BYTES
    until = time.monotonic() + _DISCARD_MAX_S
    while left > 0 and time.monotonic() < until:
        piece = body.read(min(left, 2**16))
        if not piece:
            break
        left -= len(piece)
    return response
