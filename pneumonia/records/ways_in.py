"""What lets somebody in: sessions of browsers, tokens of programs, links that work once.

The secret of each is given away when it is made; its digest is kept.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pneumonia.errors import UserNotFound
from pneumonia.records.audit_chain import Action, Actor, append, current_actor
from pneumonia.records.secret import digest, draw_secret
from pneumonia.records.store import Store
from pneumonia.records.user import OpenSession, Permission, Token, User
from pneumonia.records.user_tables import LinkRow, SessionRow, TokenRow, UserRow
from pneumonia.records.users import to_user

TOKEN_PREFIX = "cxr_"  # noqa: S105 - so that scanners for leaked secrets can tell one
_SEEN_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: not every request writes."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a log-in lasts: without any request, and in all."""

    idle: timedelta
    lifetime: timedelta


class Sessions:
    """Browsers that are logged in. Safe under threads; raises what :class:`Store` raises."""

    def __init__(self, store: Store, limits: SessionLimits) -> None:
        self._store = store
        self._limits = limits

    def open(self, user: User) -> str:
        """Log a browser in; returns its secret."""
        secret, now, at = draw_secret(), datetime.now(UTC), current_actor.get()
        with self._store.session("log you in") as session:
            append(session, Action.LOG_IN, actor=Actor(user.name, "browser", at.address))
            session.execute(
                delete(SessionRow).where(SessionRow.created_at < now - self._limits.lifetime)
            )
            row = _user_row(session, user)
            row.failures, row.locked_until, row.last_login_at = 0, None, now
            session.add(
                SessionRow(
                    digest=digest(secret),
                    user_id=user.id,
                    created_at=now,
                    last_seen_at=now,
                    address=at.address,
                )
            )
            session.commit()
        return secret

    def find(self, secret: str) -> User | None:
        """Whose browser it is; None where the log-in has ended."""
        now = datetime.now(UTC)
        with self._store.session("find out who you are") as session:
            query = select(SessionRow, UserRow).join(UserRow, UserRow.id == SessionRow.user_id)
            found = session.execute(query.where(SessionRow.digest == digest(secret))).one_or_none()
            if found is None:
                return None
            row, user = found
            if user.disabled_at or self._is_over(row, now):
                return None
            if now - row.last_seen_at >= _SEEN_EVERY:
                row.last_seen_at = now
                session.commit()
            return to_user(user)

    def all(self, user: User) -> list[OpenSession]:
        """Those that are open, the one used last first."""
        now = datetime.now(UTC)
        query = select(SessionRow).where(SessionRow.user_id == user.id)
        with self._store.session("list your log-ins") as session:
            rows = session.scalars(query.order_by(SessionRow.last_seen_at.desc()))
            return [
                OpenSession(row.digest, row.created_at, row.last_seen_at, row.address)
                for row in rows
                if not self._is_over(row, now)
            ]

    def close(self, secret: str) -> None:
        """Log a browser out."""
        with self._store.session("log you out") as session:
            append(session, Action.LOG_OUT)
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(secret)))
            session.commit()

    def close_others(self, user: User, keep: str) -> None:
        """Log out all browsers of a person but one."""
        with self._store.session("end your other log-ins") as session:
            append(session, Action.SESSIONS_ENDED)
            session.execute(
                delete(SessionRow).where(
                    SessionRow.user_id == user.id, SessionRow.digest != digest(keep)
                )
            )
            session.commit()

    def end(self, user: User, session_id: str) -> None:
        """Log out one browser of a person; one that is not there is logged out already."""
        with self._store.session("end the log-in") as session:
            row = session.get(SessionRow, session_id)
            if row is None or row.user_id != user.id:
                return
            append(session, Action.SESSION_ENDED, subject=f"from {row.address}")
            session.delete(row)
            session.commit()

    def end_all(self, user: User) -> None:
        """Log out all browsers of a person, who can log in again."""
        with self._store.session("log the user out") as session:
            append(session, Action.USER_LOGGED_OUT, subject=user.name)
            session.execute(delete(SessionRow).where(SessionRow.user_id == user.id))
            session.commit()

    def _is_over(self, row: SessionRow, now: datetime) -> bool:
        idle, lifetime = now - row.last_seen_at, now - row.created_at
        return idle >= self._limits.idle or lifetime >= self._limits.lifetime


class Tokens:
    """Programs that act in a person's name. Safe under threads; raises what a Store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, user: User, label: str, scopes: frozenset[Permission], lasts: timedelta) -> str:
        """Make a token; returns its secret, which nobody can be shown again."""
        secret, now = TOKEN_PREFIX + draw_secret(), datetime.now(UTC)
        with self._store.session("make a token") as session:
            append(session, Action.TOKEN_ADDED, subject=f"{label}: {_join(scopes)}")
            session.add(
                TokenRow(
                    id=uuid.uuid4().hex,
                    digest=digest(secret),
                    user_id=user.id,
                    label=label,
                    scopes=_join(scopes),
                    created_at=now,
                    expires_at=now + lasts,
                )
            )
            session.commit()
        return secret

    def find(self, secret: str) -> tuple[User, Token] | None:
        """Whose token it is; None where there is none, or it is over, or its user disabled."""
        now = datetime.now(UTC)
        with self._store.session("find out who asks") as session:
            query = select(TokenRow, UserRow).join(UserRow, UserRow.id == TokenRow.user_id)
            found = session.execute(query.where(TokenRow.digest == digest(secret))).one_or_none()
            if found is None:
                return None
            row, user = found
            if user.disabled_at or row.expires_at <= now:
                return None
            if row.last_used_at is None or now - row.last_used_at >= _SEEN_EVERY:
                row.last_used_at = now
                session.commit()
            return to_user(user), _to_token(row)

    def all(self, user: User) -> list[Token]:
        """The newest first."""
        query = select(TokenRow).where(TokenRow.user_id == user.id)
        with self._store.session("list your tokens") as session:
            rows = session.scalars(query.order_by(TokenRow.created_at.desc()))
            return [_to_token(row) for row in rows]

    def revoke(self, user: User, token_id: str) -> None:
        """End a token of this person; one that is not there is over already."""
        with self._store.session("revoke the token") as session:
            row = session.get(TokenRow, token_id)
            if row is None or row.user_id != user.id:
                return
            append(session, Action.TOKEN_REVOKED, subject=row.label)
            session.delete(row)
            session.commit()


class Links:
    """Addresses that work once; :class:`Users` takes them. Raises what a Store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def give(self, user: User | None, lasts: timedelta, actor: Actor | None = None) -> str:
        """Make a link to choose a password, or to make the first account; returns its secret.

        Links of the same person that were given before stop working.
        """
        secret, now = draw_secret(), datetime.now(UTC)
        with self._store.session("make a link") as session:
            subject = user.name if user else "first administrator"
            append(session, Action.LINK, subject=subject, actor=actor)
            user_id = user.id if user else None
            session.execute(
                delete(LinkRow).where(
                    (LinkRow.expires_at <= now)
                    | (LinkRow.user_id == user_id if user else LinkRow.user_id.is_(None))
                )
            )
            session.add(LinkRow(digest=digest(secret), user_id=user_id, expires_at=now + lasts))
            session.commit()
        return secret

    def find(self, secret: str) -> tuple[bool, str]:
        """Whether a link works, and for whom: the user's name, or ``""`` for the first account."""
        with self._store.session("look up the link") as session:
            row = session.get(LinkRow, digest(secret))
            if row is None or row.expires_at <= datetime.now(UTC):
                return False, ""
            user = session.get(UserRow, row.user_id) if row.user_id else None
            return True, user.name if user else ""


def _user_row(session: Session, user: User) -> UserRow:
    row = session.get(UserRow, user.id)
    if row is None or row.disabled_at:
        raise UserNotFound(f"There is no user {user.name!r} any more.")
    return row


def _join(scopes: frozenset[Permission]) -> str:
    return " ".join(sorted(scopes))


def _to_token(row: TokenRow) -> Token:
    scopes = frozenset(Permission(scope) for scope in row.scopes.split())
    return Token(row.id, row.label, scopes, row.created_at, row.expires_at, row.last_used_at)
