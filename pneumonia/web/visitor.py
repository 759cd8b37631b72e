"""Who asks: by a browser's session, by a program's token, or whoever sits at this computer."""

import ipaddress
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, Request, g, request
from flask_login import (  # type: ignore[import-untyped]
    AnonymousUserMixin,
    LoginManager,
    UserMixin,
    current_user,
)

from pneumonia.errors import StorageUnavailable
from pneumonia.records.audit_chain import Actor
from pneumonia.records.user import Permission, Role, User
from pneumonia.web.services import services


@dataclass(frozen=True, eq=False)
class Visitor(UserMixin):  # type: ignore[misc]
    """Somebody who is known.

    Attributes
    ----------
    user
        None in the local mode, which has no accounts.
    session
        The secret of the browser's session, which Flask-Login puts into its signed cookie.
    """

    user: User | None
    actor: Actor
    permissions: frozenset[Permission]
    session: str = ""

    def get_id(self) -> str:
        return self.session

    def may(self, permission: str) -> bool:
        return permission in self.permissions


class Anonymous(AnonymousUserMixin):  # type: ignore[misc]
    user = None
    permissions: frozenset[Permission] = frozenset()

    @property
    def actor(self) -> Actor:
        return Actor("", "browser", address())

    def may(self, permission: str) -> bool:
        return False


def visitor() -> Visitor | Anonymous:
    """Who made this request."""
    return cast(Visitor | Anonymous, current_user)


def user() -> User:
    """Whose account the request comes from; for views that the local mode does not have."""
    found = visitor().user
    assert found is not None
    return found


def address() -> str:
    """Of the client, IPv6 as long as it gets."""
    return (request.remote_addr or "")[:45]


def is_from_here(request: Request) -> bool:
    """Whether it comes straight from this computer: from loopback, and through no proxy."""
    names = [name.lower() for name, _ in request.headers]
    if any(name == "forwarded" or name.startswith("x-forwarded-") for name in names):
        return False
    try:
        found: Any = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return bool((getattr(found, "ipv4_mapped", None) or found).is_loopback)


def bearer(request: Request) -> str | None:
    """The token that a program sent; other schemes are a proxy's and none of ours."""
    sent = request.authorization
    return sent.token or "" if sent is not None and sent.type == "bearer" else None


def _from_session(secret: str) -> Visitor | None:
    # A program that sends a token means it, whatever its cookies say.
    if services().settings.is_local or bearer(request) is not None:
        return None
    try:
        found = services().accounts.sessions.find(secret)
    except StorageUnavailable as error:
        g.unreachable = error
        return None
    if found is None:
        return None
    return Visitor(found, Actor(found.name, "browser", address()), found.role.permissions, secret)


def _from_request(request: Request) -> Visitor | None:
    if services().settings.is_local:
        actor = Actor("local", "local", address())
        everything = Role.ADMINISTRATOR.permissions
        return Visitor(None, actor, everything) if is_from_here(request) else None
    secret = bearer(request)
    if not secret:
        return None
    try:
        found = services().accounts.tokens.find(secret)
    except StorageUnavailable as error:
        g.unreachable = error
        return None
    if found is None:
        return None
    owner, token = found
    permissions = token.scopes & owner.role.permissions
    return Visitor(owner, Actor(owner.name, f"token {token.label}", address()), permissions)


def register(app: Flask) -> None:
    manager = LoginManager(app)
    # Sessions are rows of ours, which end; by address or browser they would end for the wrong ones.
    manager.session_protection = None
    manager.anonymous_user = Anonymous
    manager.user_loader(_from_session)
    manager.request_loader(_from_request)
