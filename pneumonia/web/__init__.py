"""Flask: pages, JSON API, forms, error pages, headers, health and the command line."""

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]
from limits import parse_many
from werkzeug.middleware.proxy_fix import ProxyFix

from pneumonia import __version__
from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.web import api, cli, headers, health, pages, problems
from pneumonia.web.present import percent, score
from pneumonia.web.served_model import model_status
from pneumonia.web.services import EXTENSION, Services
from pneumonia.web.session import SessionInterface, require_session
from pneumonia.web.uploads import OVERHEAD_BYTES, discard_body

_UPLOADS = ("api.create", "pages.upload", "pages.sample")


def init_app(app: Flask, own: Services) -> None:
    """Hang everything on the app. Opens no file, database or model."""
    app.extensions[EXTENSION] = own
    _configure(app, own.settings)
    app.session_interface = SessionInterface()
    app.before_request(require_session)  # Before the CSRF check, which looks into the session.
    csrf = CSRFProtect(app)
    csrf.exempt(api.blueprint)  # It reads no cookie, so there is no session to ride on.
    for door in (pages, api, health):
        app.register_blueprint(door.blueprint)
    _limit_uploads(app, own.settings.rate_limit)
    problems.register(app)
    headers.register(app)
    app.after_request(discard_body)
    app.context_processor(_page_context)
    app.add_template_filter(percent)
    app.add_template_filter(score)
    cli.register(app)
    if hops := own.settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops
        )


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + OVERHEAD_BYTES,
        MAX_FORM_MEMORY_SIZE=500_000,  # Werkzeug needs more than one 64 KiB piece of a file.
        MAX_FORM_PARTS=16,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A form is good for as long as its session: a reading room leaves pages open for hours.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]


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


def _page_context() -> dict[str, Any]:
    return {"model": model_status(), "version": __version__}
