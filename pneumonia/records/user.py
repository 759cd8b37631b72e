"""Who may do what: roles, what they permit, and people's accounts. Frozen values, no SQL."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pneumonia.errors import BadParameter

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Permission(StrEnum):
    """What a route asks for; the scope of an API token is some of them."""

    READ = "read"
    UPLOAD = "upload"
    REVIEW = "review"
    DELETE = "delete"
    ADMINISTER = "administer"


class Role(StrEnum):
    READER = "reader"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"

    @property
    def permissions(self) -> frozenset[Permission]:
        return _PERMISSIONS[self]


_READER = frozenset({Permission.READ, Permission.UPLOAD})
_REVIEWER = _READER | {Permission.REVIEW, Permission.DELETE}
_PERMISSIONS = {
    Role.READER: _READER,
    Role.REVIEWER: _REVIEWER,
    Role.ADMINISTRATOR: frozenset(Permission),
}

SCOPES = tuple(permission for permission in Permission if permission is not Permission.ADMINISTER)
"""What an API token may be given: administration is for people."""


@dataclass(frozen=True, slots=True)
class User:
    """One person's account.

    Attributes
    ----------
    name
        What the person logs in with: see :func:`parse_name`. It is never given to another one.
    password_hash
        Argon2id in its own notation; empty until the person has chosen a password.
    subject
        Whose it is by the clinic's sign-in service; None for who has not logged in by it.
    failures
        Wrong passwords since the last right one.
    """

    id: str
    name: str
    role: Role
    created_at: datetime
    password_hash: str = field(default="", repr=False)
    is_disabled: bool = False
    failures: int = 0
    locked_until: datetime | None = None
    last_login_at: datetime | None = None
    subject: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A program's way in, in the name of its user; the secret itself is not kept."""

    id: str
    label: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is logged in; ``id`` is the digest of its secret."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    address: str


def parse_name(text: str) -> str:
    """A log-in name, lower case.

    Raises
    ------
    BadParameter
        For anything but 1 to 64 letters, digits and ``. _ @ -``, the first a letter or digit.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadParameter(
            f"The name {text[:64]!r} cannot be used: it must be 1 to 64 of the letters a to z, "
            "digits and . _ @ -, and begin with a letter or digit."
        )
    return name
