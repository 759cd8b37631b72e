"""Flask: pages, JSON API, forms, error pages, headers, health and the command line."""

from typing import Any

from flask import Flask
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]

from pneumonia import __version__
from pneumonia.config import Settings
from pneumonia.web import (
    accounts,
    administration,
    agreement,
    api,
    batch_api,
    batches,
    door,
    guard,
    headers,
    health,
    language,
    limits,
    observing,
    openapi,
    pages,
    problems,
    queue,
    reports,
    results,
    reviews,
    viewing,
    visitor,
    worklist,
)
from pneumonia.web.hosts import TrustedHosts, TrustedProxies
from pneumonia.web.served_model import model_status
from pneumonia.web.services import EXTENSION, Services, services
from pneumonia.web.session import SessionInterface, require_session


def init_app(app: Flask, own: Services) -> None:
    """Hang everything on the app. Opens no file, database or model."""
    app.extensions[EXTENSION] = own
    _configure(app, own.settings)
    app.session_interface = SessionInterface()
    language.register(app)
    observing.register(app, own.settings)
    door.register(app)
    app.before_request(require_session)  # Before the CSRF check, which looks into the session.
    visitor.register(app)
    guard.register(app)
    csrf = CSRFProtect(app)
    csrf.exempt(reviews.create)  # As the API.
    csrf.exempt(language.choose)  # It changes nothing but how pages are said.
    for programs in (api, batch_api):
        csrf.exempt(programs.blueprint)  # The guard lets no cookie change anything there.
    for views in (
        pages,
        viewing,
        reports,
        results,
        batches,
        worklist,
        reviews,
        accounts,
        administration,
        agreement,
        queue,
        api,
        openapi,
        batch_api,
        health,
        language,
    ):
        app.register_blueprint(views.blueprint)
    if own.settings.oidc_issuer:
        from pneumonia.web import sign_in

        sign_in.register(app, own.settings)
    limits.register(app, own.settings)
    problems.register(app)
    headers.register(app)
    app.context_processor(_page_context)
    # The outermost is the first to see a request: who it is from, then for whom, then the app.
    wrapped: Any = TrustedHosts(app.wsgi_app, own.settings.hosts)
    if own.settings.proxies:
        wrapped = TrustedProxies(wrapped, own.settings)
    app.wsgi_app = wrapped  # type: ignore[method-assign]


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A form is good for as long as its session: a reading room leaves pages open for hours.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]


def _page_context() -> dict[str, Any]:
    signs_in = bool(services().settings.oidc_issuer)
    return {"model": model_status(), "version": __version__, "signs_in": signs_in}
