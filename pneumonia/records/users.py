"""Accounts in the database: added, changed and locked, each change with its line in the audit."""

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from pneumonia.errors import LastAdministrator, LinkInvalid, NameTaken, UserNotFound
from pneumonia.records.audit_chain import Action, Actor, append
from pneumonia.records.secret import digest
from pneumonia.records.store import Store
from pneumonia.records.user import Role, User
from pneumonia.records.user_tables import LinkRow, SessionRow, UserRow


class Users:
    """All accounts of a store. Safe under threads; raises what :class:`Store` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exist(self) -> bool:
        """Whether there is any account, disabled ones too."""
        with self._store.session("look for accounts") as session:
            return session.scalar(select(UserRow.id).limit(1)) is not None

    def all(self) -> list[User]:
        """In the order of their names."""
        with self._store.session("list the accounts") as session:
            return [to_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def get(self, name: str) -> User:
        """Raises UserNotFound."""
        with self._store.session("look up an account") as session:
            return to_user(_row(session, name))

    def of_subject(self, subject: str) -> User | None:
        """Whose account it is by the sign-in service."""
        with self._store.session("look up an account") as session:
            row = session.scalar(select(UserRow).where(UserRow.subject == subject))
            return to_user(row) if row else None

    def add_of_subject(self, subject: str, name: str, role: Role) -> User:
        """An account of a person whom the sign-in service knows. Raises NameTaken."""
        with self._store.session("add an account") as session:
            user = _add(session, name, role, "")
            session.execute(update(UserRow).where(UserRow.name == name).values(subject=subject))
            session.commit()
        return user

    def give_to_subject(self, name: str, subject: str) -> User | None:
        """Make an account that nobody has used yet that of a person; None where there is none."""
        with self._store.session("change an account") as session:
            # Whoever has added to the audit log is alone, so that no two get the same account.
            append(session, Action.SIGN_IN_LINKED, subject=name)
            row = session.scalar(
                select(UserRow).where(
                    UserRow.name == name,
                    UserRow.password_hash == "",
                    UserRow.subject.is_(None),
                    UserRow.disabled_at.is_(None),
                )
            )
            if row is None:
                return None
            row.subject = subject
            session.execute(delete(LinkRow).where(LinkRow.user_id == row.id))
            session.commit()
            return to_user(row)

    def add(self, name: str, role: Role, password_hash: str = "") -> User:
        """Raises NameTaken."""
        with self._store.session("add an account") as session:
            user = _add(session, name, role, password_hash)
            session.commit()
        return user

    def add_first(self, link: str, name: str, password_hash: str) -> User:
        """The first administrator, by a set-up link.

        Raises
        ------
        LinkInvalid
            Where it was used, is too old, or there are accounts.
        """
        with self._store.session("add an account") as session:
            is_for_somebody = use_link(session, link) is not None
            user = _add(session, name, Role.ADMINISTRATOR, password_hash, Actor(name, "browser"))
            # Whoever has added to the audit log is alone, so that no two are the first.
            count = session.scalar(select(func.count()).select_from(UserRow))
            if count != 1 or is_for_somebody:
                raise LinkInvalid("There are accounts here already: log in.")
            session.commit()
        return user

    def set_role(self, name: str, role: Role) -> None:
        """Raises UserNotFound, LastAdministrator."""
        with self._store.session("change an account") as session:
            row = _row(session, name)
            append(session, Action.USER_ROLE, subject=f"{name}: {row.role} to {role}")
            row.role = role.value
            _check_administrators(session)
            session.commit()

    def disable(self, name: str) -> None:
        """End a person's sessions, and let neither them nor their tokens in from now on.

        Raises UserNotFound, LastAdministrator.
        """
        with self._store.session("change an account") as session:
            row = _row(session, name)
            append(session, Action.USER_DISABLED, subject=name)
            row.disabled_at = datetime.now(UTC)
            _check_administrators(session)
            _end_sessions(session, row)
            session.execute(delete(LinkRow).where(LinkRow.user_id == row.id))
            session.commit()

    def enable(self, name: str) -> None:
        """Raises UserNotFound."""
        with self._store.session("change an account") as session:
            row = _row(session, name)
            append(session, Action.USER_ENABLED, subject=name)
            row.disabled_at, row.failures, row.locked_until = None, 0, None
            session.commit()

    def set_password(self, name: str, password_hash: str, keep_session: str = "") -> None:
        """Change a password, unlock the account, and end all its sessions but one.

        Raises UserNotFound.
        """
        with self._store.session("change a password") as session:
            _set_password(session, _row(session, name), password_hash, keep_session)
            session.commit()

    def choose_password(self, link: str, password_hash: str) -> User:
        """A password by a link that was given for it. Raises LinkInvalid."""
        with self._store.session("change a password") as session:
            user_id = use_link(session, link)
            row = session.get(UserRow, user_id) if user_id else None
            if row is None or row.disabled_at:
                raise LinkInvalid("This link does not lead to an account. Ask for a new one.")
            _set_password(session, row, password_hash, "", Actor(row.name, "browser"))
            session.commit()
            return to_user(row)

    def replace_hash(self, name: str, password_hash: str) -> None:
        """The same password, hashed anew by stronger parameters."""
        with self._store.session("change an account") as session:
            _row(session, name).password_hash = password_hash
            session.commit()

    def note_failure(self, name: str, lock_after: int, lock_for: timedelta) -> None:
        """Count a wrong password, and lock the account for a while after so many in a row.

        For a name that is not known the same statements run: time must not tell who exists. It is
        not kept: it may be a password, typed in the wrong field.
        """
        row = UserRow.name == name
        with self._store.session("change an account") as session:
            found = session.scalar(select(UserRow.name).where(row))
            append(session, Action.LOG_IN_FAILED, subject=found or "a name that is not known")
            # While it is locked nothing counts: it opens again, whoever goes on guessing.
            is_open = or_(UserRow.locked_until.is_(None), UserRow.locked_until <= datetime.now(UTC))
            session.execute(
                update(UserRow).where(row, is_open).values(failures=UserRow.failures + 1)
            )
            failures = session.scalar(select(UserRow.failures).where(row)) or 0
            if failures >= lock_after:
                append(session, Action.LOCKED, subject=name)
                until = datetime.now(UTC) + lock_for
                session.execute(update(UserRow).where(row).values(failures=0, locked_until=until))
            session.commit()


def to_user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        password_hash=row.password_hash,
        is_disabled=row.disabled_at is not None,
        failures=row.failures,
        locked_until=row.locked_until,
        last_login_at=row.last_login_at,
        subject=row.subject,
    )


def use_link(session: Session, link: str) -> str | None:
    """Take a link out of the database; returns whose it is. Raises LinkInvalid."""
    row = session.execute(
        delete(LinkRow)
        .where(LinkRow.digest == digest(link), LinkRow.expires_at > datetime.now(UTC))
        .returning(LinkRow.user_id)
    ).one_or_none()
    if row is None:
        raise LinkInvalid(
            "It was used already, or it is too old. Ask whoever gave it to you for a new one; the "
            "first one of all is printed anew when the server starts."
        )
    user_id: str | None = row.user_id
    return user_id


def _row(session: Session, name: str) -> UserRow:
    row = session.scalar(select(UserRow).where(UserRow.name == name))
    if row is None:
        raise UserNotFound(f"There is no user {name[:64]!r}. `flask users list` has them all.")
    return row


def _add(
    session: Session, name: str, role: Role, password_hash: str, actor: Actor | None = None
) -> User:
    append(session, Action.USER_ADDED, subject=f"{name}: {role}", actor=actor)
    if session.scalar(select(UserRow.id).where(UserRow.name == name)) is not None:
        raise NameTaken(f"There is a user {name!r} already. Choose another name.")
    row = UserRow(
        id=uuid.uuid4().hex,
        name=name,
        role=role.value,
        password_hash=password_hash,
        created_at=datetime.now(UTC),
        failures=0,
    )
    session.add(row)
    session.flush()
    session.execute(
        delete(LinkRow).where(LinkRow.user_id.is_(None))
    )  # it is not the first any more
    return to_user(row)


def _set_password(
    session: Session,
    row: UserRow,
    password_hash: str,
    keep_session: str,
    actor: Actor | None = None,
) -> None:
    append(session, Action.PASSWORD, subject=row.name, actor=actor)
    row.password_hash, row.failures, row.locked_until = password_hash, 0, None
    _end_sessions(session, row, keep_session)
    session.execute(delete(LinkRow).where(LinkRow.user_id == row.id))


def _end_sessions(session: Session, row: UserRow, keep: str = "") -> None:
    session.execute(
        delete(SessionRow).where(SessionRow.user_id == row.id, SessionRow.digest != digest(keep))
    )


def _check_administrators(session: Session) -> None:
    session.flush()
    left = session.scalar(
        select(func.count()).where(
            UserRow.role == Role.ADMINISTRATOR.value, UserRow.disabled_at.is_(None)
        )
    )
    if not left:
        raise LastAdministrator(
            "Nobody could administer this reader any more. Make another user administrator first."
        )
