"""What a client may send: the size of a body, the rate of uploads, attempts to log in."""

import math
import time
from typing import cast

from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from pneumonia.config import Settings
from pneumonia.errors import BadSetting, TooManyAttempts
from pneumonia.web import problems
from pneumonia.web.contents import count_films
from pneumonia.web.uploads import MAX_FILES, uploaded_files

FAILURES = parse("10 per minute")
"""Log-ins that fail, of one client address; more are not looked at."""
_ATTEMPTS = "pneumonia.attempts"

_UPLOADS = ("api.create", "pages.sample")
_MANY = ("pages.upload", "batches.add", "batch_api.create")
# What multipart framing, the CSRF token and headers may add to the file itself.
_OVERHEAD_BYTES = 64 * 2**10


def register(app: Flask, settings: Settings) -> None:
    """Bound bodies and uploads. Raises BadSetting for a rate that cannot be read."""
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + _OVERHEAD_BYTES,
        MAX_FORM_MEMORY_SIZE=500_000,  # Werkzeug needs more than one 64 KiB piece of a file.
        MAX_FORM_PARTS=MAX_FILES + 16,
    )
    app.extensions[_ATTEMPTS] = Attempts()
    _limit_uploads(app, settings.rate_limit)


class Attempts:
    """Counts the log-ins that failed, by client address, in this process."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, address: str) -> None:
        """Raises TooManyAttempts."""
        if self._limiter.test(FAILURES, address):
            return
        reset_at = self._limiter.get_window_stats(FAILURES, address).reset_time
        wait_s = max(1, math.ceil(reset_at - time.time()))
        raise TooManyAttempts(
            "Too many log-ins from your address failed. None is looked at for now: wait "
            f"{wait_s} seconds.",
            wait_s,
        )

    def note(self, address: str) -> None:
        self._limiter.hit(FAILURES, address)


def attempts() -> Attempts:
    """Those of the app that is serving."""
    return cast(Attempts, current_app.extensions[_ATTEMPTS])


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
    counted = limiter.shared_limit(
        rate, scope="uploads", cost=lambda: count_films(uploaded_files())
    )
    for endpoint in _MANY:
        app.view_functions[endpoint] = counted(app.view_functions[endpoint])  # type: ignore[assignment]
