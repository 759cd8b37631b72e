"""Who somebody is by the word of a sign-in service."""

from dataclasses import dataclass
from typing import Self

from pneumonia.records.secret import digest
from pneumonia.records.user import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """A person whom a sign-in service vouches for.

    Attributes
    ----------
    subject
        64 hex digits, of the service and its own id of the person: neither is ever given to
        another one, as names are.
    role
        As the service gives it; None where roles are given in this program.
    """

    subject: str
    name: str
    role: Role | None

    @classmethod
    def of(cls, issuer: str, subject: str, name: str, role: Role | None) -> Self:
        return cls(digest(f"{issuer.rstrip('/')}\n{subject}"), name, role)
