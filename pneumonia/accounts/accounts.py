"""The accounts: one home for every rule of who gets in."""

import contextlib
from datetime import UTC, datetime, timedelta

from pneumonia.accounts import passwords
from pneumonia.accounts.identity import Identity
from pneumonia.errors import (
    BadParameter,
    LastAdministrator,
    LogInRefused,
    NameTaken,
    UserNotFound,
)
from pneumonia.records.audit_chain import SERVER
from pneumonia.records.store import Store
from pneumonia.records.user import SCOPES, Permission, Role, User, parse_name
from pneumonia.records.users import Users
from pneumonia.records.ways_in import Links, SessionLimits, Sessions, Tokens

LOCK_AFTER = 10
"""Wrong passwords in a row."""
LOCK_FOR = timedelta(minutes=15)
FIRST_LINK_LASTS = timedelta(hours=24)
LINK_LASTS = timedelta(days=3)
TOKEN_LASTS = (30, 90, 365)
"""Days."""
MAX_LABEL = 64


class Accounts:
    """Log-in, passwords and links over a store; all methods raise what it raises."""

    def __init__(self, store: Store, limits: SessionLimits) -> None:
        self.users = Users(store)
        self.sessions = Sessions(store, limits)
        self.tokens = Tokens(store)
        self.links = Links(store)

    def log_in(self, name: str, password: str) -> str:
        """Returns the secret of the new session.

        Raises
        ------
        LogInRefused
            In the same words and after the same work, whatever was wrong.
        """
        user = self._find(name)
        is_right = passwords.is_right(user.password_hash if user else "", password)
        if user is None or not is_right or user.is_disabled or _is_locked(user):
            self.users.note_failure(user.name if user else "", LOCK_AFTER, LOCK_FOR)
            raise LogInRefused(
                "The name or the password is not right, or the account is closed for a while after "
                "too many attempts."
            )
        if passwords.is_outdated(user.password_hash):
            self.users.replace_hash(user.name, passwords.hash_password(password))
        return self.sessions.open(user)

    def sign_in(self, who: Identity) -> str:
        """By the word of the sign-in service; returns the secret of the new session.

        An account is made where the service gives a role; else it goes to who was invited: to an
        account of that name which nobody has used yet. One that has a password stays its owner's,
        whatever names the service gives.

        Raises
        ------
        LogInRefused
        """
        user = self.users.of_subject(who.subject) or self._welcome(who)
        if user is None or user.is_disabled:
            raise LogInRefused(
                "The sign-in service knows you, but there is no account here that is yours, or it "
                f"was disabled. Ask an administrator of this reader to add the user {who.name}."
            )
        if who.role is not None and who.role is not user.role:
            with contextlib.suppress(LastAdministrator):  # somebody has to be able to mend it
                self.users.set_role(user.name, who.role)
        return self.sessions.open(user)

    def _welcome(self, who: Identity) -> User | None:
        """The account of somebody who comes by the sign-in service for the first time."""
        invited = self.users.give_to_subject(who.name, who.subject)
        if invited is not None or who.role is None:
            return invited
        with contextlib.suppress(NameTaken):
            return self.users.add_of_subject(who.subject, who.name, who.role)
        return None

    def _find(self, name: str) -> User | None:
        try:
            return self.users.get(parse_name(name))
        except (BadParameter, UserNotFound):
            return None

    def add(self, name: str, role: Role, password: str = "") -> User:
        """An account; without a password its user has to be given a link.

        Raises
        ------
        BadParameter, NameTaken, WeakPassword
        """
        name = parse_name(name)
        return self.users.add(name, role, _hash(password, name) if password else "")

    def set_password(self, name: str, password: str, keep_session: str = "") -> None:
        """End all other sessions, too. Raises UserNotFound, WeakPassword."""
        self.users.set_password(name, _hash(password, name), keep_session)

    def change_password(self, user: User, current: str, new: str, session: str) -> None:
        """By the person, who has to know the old one.

        Raises
        ------
        LogInRefused, WeakPassword
        """
        if _is_locked(user) or not passwords.is_right(user.password_hash, current):
            self.users.note_failure(user.name, LOCK_AFTER, LOCK_FOR)
            raise LogInRefused("The current password is not right. Nothing was changed.")
        self.set_password(user.name, new, session)

    def first_link(self) -> str | None:
        """The secret of a link that makes the first administrator; None where there is one."""
        return None if self.users.exist() else self.links.give(None, FIRST_LINK_LASTS, SERVER)

    def give_link(self, name: str) -> str:
        """The secret of a link by which a person chooses a password. Raises UserNotFound."""
        return self.links.give(self.users.get(name), LINK_LASTS)

    def redeem(self, link: str, name: str, password: str) -> User:
        """Choose a password by a link; by the first of all a name, too.

        Raises
        ------
        LinkInvalid, BadParameter, WeakPassword
        """
        _, known = self.links.find(link)
        name = known or parse_name(name)
        password_hash = _hash(password, name)
        if known:
            return self.users.choose_password(link, password_hash)
        return self.users.add_first(link, name, password_hash)

    def issue_token(self, user: User, label: str, scopes: list[str], days: int) -> str:
        """Raises BadParameter."""
        label = label.strip()
        if not label or len(label) > MAX_LABEL or not label.isprintable():
            raise BadParameter(
                f"Say on one line of at most {MAX_LABEL} characters what the token is for."
            )
        wanted = frozenset(Permission(scope) for scope in scopes if scope in SCOPES)
        if not wanted or not wanted <= user.role.permissions:
            raise BadParameter("Choose at least one thing that the token may do, of those offered.")
        if days not in TOKEN_LASTS:
            offered = ", ".join(map(str, TOKEN_LASTS))
            raise BadParameter(f"A token lasts one of {offered} days. Choose one of these.")
        return self.tokens.issue(user, label, wanted, timedelta(days=days))


def _hash(password: str, name: str) -> str:
    passwords.check_password(password, name)
    return passwords.hash_password(password)


def _is_locked(user: User) -> bool:
    return user.locked_until is not None and user.locked_until > datetime.now(UTC)
