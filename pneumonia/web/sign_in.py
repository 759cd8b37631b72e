"""Logging in by the clinic's own sign-in service: OpenID Connect, as Authlib speaks it.

Imported where such a service is set only: Authlib and what it needs take a while.
"""

import logging
from typing import Any, cast

from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.flask_client import OAuth  # type: ignore[import-untyped]
from flask import Blueprint, Flask, current_app, redirect, session, url_for
from joserfc.errors import JoseError
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.accounts.identity import Identity
from pneumonia.config import Settings
from pneumonia.errors import BadParameter, LogInRefused, SignInFailed, SignInUnavailable
from pneumonia.records.audit_chain import Action, Actor, current_actor
from pneumonia.records.user import Role, parse_name
from pneumonia.web.accounts import begin_session, next_page
from pneumonia.web.services import services
from pneumonia.web.visitor import address, visitor

blueprint = Blueprint("sign_in", __name__, url_prefix="/login/service")
log = logging.getLogger(__name__)

_EXTENSION = "pneumonia.sign_in"
_TIMEOUT_S = 10
_NEXT = "sign_in_next"


@blueprint.get("")
def begin() -> BaseResponse:
    """Off to the service, and back to :func:`end`."""
    client = _client()
    if visitor().is_authenticated:
        return redirect(next_page(), 303)
    session[_NEXT] = next_page()
    try:
        _check_issuer(client)
        there = client.authorize_redirect(url_for("sign_in.end", _external=True))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unavailable(error) from error
    return cast(BaseResponse, there)


@blueprint.get("/back")
def end() -> BaseResponse:
    """Back from the service.

    Raises
    ------
    SignInFailed
        Where the answer is not one to a question of this browser, or its signature does not hold.
    SignInUnavailable
    LogInRefused
    """
    client, accounts = _client(), services().accounts
    there = session.pop(_NEXT, url_for("pages.home"))
    try:
        _check_issuer(client)
        # State, nonce, PKCE, signature, issuer, audience and time are all looked at here.
        claims = client.authorize_access_token().get("userinfo")
    except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
        log.warning("sign-in failed: %s", error)
        services().audit.note(Action.LOG_IN_FAILED, "sign-in service: no valid answer")
        raise SignInFailed(
            "The sign-in service's answer cannot be used: it was refused there, took too long, or "
            "belongs to another browser. Start again from the log-in page."
        ) from error
    except (OSError, RuntimeError) as error:
        raise _unavailable(error) from error
    current_actor.set(Actor("sign-in service", "server", address()))
    try:
        secret = accounts.sign_in(_identify(claims or {}, services().settings))
    except LogInRefused:
        services().audit.note(Action.LOG_IN_FAILED, "sign-in service: nobody who may log in here")
        raise
    begin_session(accounts.sessions.find(secret), secret)
    return redirect(there, 303)


@blueprint.get("/out")
def leave() -> BaseResponse:
    """Out of the service, too, where it offers that; the log-out here was before."""
    client = _client()
    back = url_for("accounts.log_in", _external=True)
    try:
        if not client.load_server_metadata().get("end_session_endpoint"):
            return redirect(back, 303)
        there = client.logout_redirect(back, client_id=client.client_id)
    except (OSError, ValueError, RuntimeError) as error:
        raise _unavailable(error) from error
    return cast(BaseResponse, there)


def _client() -> Any:
    return current_app.extensions[_EXTENSION].service


def _check_issuer(client: Any) -> None:
    """Raises SignInUnavailable where a document speaks for another one (OIDC Discovery, 4.3)."""
    told = str(client.load_server_metadata().get("issuer", ""))
    if told.rstrip("/") != services().settings.oidc_issuer.rstrip("/"):
        raise _unavailable(ValueError(f"it calls itself {told[:200]!r}"))


def _identify(claims: dict[str, Any], settings: Settings) -> Identity:
    """Who somebody is, by a valid ID token. Raises LogInRefused."""
    subject, name = claims.get("sub"), claims.get(settings.oidc_name_claim)
    try:
        if not subject or not isinstance(name, str):
            raise BadParameter("It is not told.")
        name = parse_name(name)
    except BadParameter as error:
        raise LogInRefused(
            f"The sign-in service told no name that can be used here ({settings.oidc_name_claim}). "
            f"{error.detail}"
        ) from None
    return Identity.of(settings.oidc_issuer, str(subject), name, _role(claims, settings))


def _role(claims: dict[str, Any], settings: Settings) -> Role | None:
    """What the claim gives, the most of several; None where roles are given here.

    Raises LogInRefused where the claim gives nothing.
    """
    if not settings.oidc_role_claim:
        return None
    told = claims.get(settings.oidc_role_claim) or []
    values = told if isinstance(told, list) else [told]
    found = [Role(role) for value, role in settings.oidc_role_of.items() if value in values]
    if not found:
        raise LogInRefused(
            "The sign-in service knows you, but gives you no role in this reader. Ask whoever "
            "manages it there."
        )
    return max(found, key=lambda role: len(role.permissions))


def _unavailable(error: Exception) -> SignInUnavailable:
    log.error("the sign-in service does not answer: %s", error)
    return SignInUnavailable(
        "The sign-in service does not answer as it should. Try again shortly; whoever has a "
        "password of this reader can log in with that."
    )


def register(app: Flask, settings: Settings) -> None:
    """Make the client; it asks the service nothing before somebody logs in."""
    app.register_blueprint(blueprint)
    app.extensions[_EXTENSION] = oauth = OAuth(app)
    oauth.register(
        "service",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        server_metadata_url=settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": _TIMEOUT_S,
        },
    )
