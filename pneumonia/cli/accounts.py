"""``flask users`` and ``flask audit``, for whoever runs the server."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click
from flask import current_app
from flask.cli import with_appcontext

from pneumonia.accounts import Accounts
from pneumonia.errors import DomainError
from pneumonia.records.audit import Audit
from pneumonia.records.user import Role

P = ParamSpec("P")
_ROLE = click.Choice([role.value for role in Role])


def _in_app(command: Callable[P, None]) -> Callable[P, None]:
    """In the app's context; its errors as a sentence."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except DomainError as error:
            raise click.ClickException(error.detail) from None

    return with_appcontext(run)


def _accounts() -> Accounts:
    found: Accounts = current_app.extensions["pneumonia"].accounts
    return found


def _audit() -> Audit:
    found: Audit = current_app.extensions["pneumonia"].audit
    return found


@click.group()
def users() -> None:
    """Add users, list them, and change what they may do."""


@users.command("add")
@click.argument("name")
@click.option("--role", type=_ROLE, default="reader", show_default=True)
@click.password_option(help="Asked for where it is left out.")
@_in_app
def add(name: str, role: str, password: str) -> None:
    """Add a user."""
    user = _accounts().add(name, Role(role), password)
    click.echo(f"{user.name} is {user.role}.")


@users.command("list")
@_in_app
def list_users() -> None:
    """List all users: name, role, last log-in."""
    for user in _accounts().users.all():
        seen = f"{user.last_login_at:%Y-%m-%d %H:%M} UTC" if user.last_login_at else "never"
        state = "  disabled" if user.is_disabled else ""
        click.echo(f"{user.name:<24} {user.role:<14} {seen}{state}")


@users.command("password")
@click.argument("name")
@click.password_option(help="Asked for where it is left out.")
@_in_app
def password(name: str, password: str) -> None:
    """Set a user's password, unlock the account, and end all its log-ins."""
    _accounts().set_password(name, password)
    click.echo(f"The password of {name} is changed.")


@users.command("role")
@click.argument("name")
@click.argument("role", type=_ROLE)
@_in_app
def set_role(name: str, role: str) -> None:
    """Change what a user may do."""
    _accounts().users.set_role(name, Role(role))
    click.echo(f"{name} is {role}.")


@users.command("disable")
@click.argument("name")
@_in_app
def disable(name: str) -> None:
    """Log a user out, and let neither the user nor the tokens in again."""
    _accounts().users.disable(name)
    click.echo(f"{name} is disabled.")


@users.command("enable")
@click.argument("name")
@_in_app
def enable(name: str) -> None:
    """Let a disabled user in again."""
    _accounts().users.enable(name)
    click.echo(f"{name} can log in again.")


@click.group()
def audit() -> None:
    """Check the audit log, and export it."""


@audit.command("verify")
@click.option(
    "--noted", default="", metavar="HASH", help="A hash printed before: it must be there."
)
@_in_app
def verify(noted: str) -> None:
    """Recompute the log's chain; names the first broken link and exits with 1 where there is one.

    Note the hash that it prints outside this computer: whoever can write the database could write
    the whole log anew, but not with that hash in it.
    """
    found = _audit().verify(noted)
    if found.fault:
        raise click.ClickException(f"{found.fault} The {found.entries} before hold.")
    click.echo(f"{found.entries} entries, every link holds. Newest: {found.hash}")


@audit.command("export")
@_in_app
def export() -> None:
    """Print the log as JSON lines, the oldest entry first."""
    for line in _audit().json_lines():
        click.echo(line, nl=False)
