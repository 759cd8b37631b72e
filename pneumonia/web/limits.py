"""What a client may send: the size of a body, the rate of uploads."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse_many

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.web import problems
from pneumonia.web.uploads import MAX_FILES, uploaded_files

_UPLOADS = ("api.create", "pages.sample", "batches.add")
# What multipart framing, the CSRF token and headers may add to the file itself.
_OVERHEAD_BYTES = 64 * 2**10


def register(app: Flask, settings: Settings) -> None:
    """Bound bodies and uploads. Raises BadSetting for a rate that cannot be read."""
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + _OVERHEAD_BYTES,
        MAX_FORM_MEMORY_SIZE=500_000,  # Werkzeug needs more than one 64 KiB piece of a file.
        MAX_FORM_PARTS=MAX_FILES + 16,
    )
    _limit_uploads(app, settings.rate_limit)


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
    counted = limiter.shared_limit(rate, scope="uploads", cost=lambda: len(uploaded_files()) or 1)
    app.view_functions["pages.upload"] = counted(app.view_functions["pages.upload"])  # type: ignore[assignment]
