"""The forms of accounts. Each carries the CSRF token, as those of the readings do."""

from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from wtforms import (  # type: ignore[import-untyped]
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import DataRequired, EqualTo, Length  # type: ignore[import-untyped]
from wtforms.widgets import CheckboxInput, ListWidget  # type: ignore[import-untyped]

from pneumonia.accounts.accounts import MAX_LABEL, TOKEN_LASTS
from pneumonia.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from pneumonia.records.user import Role

_NOT_ALIKE = "The two passwords are not the same. Type the new one again."


def _new_password(label: str) -> PasswordField:
    return PasswordField(
        label,
        [DataRequired("Choose a password.")],
        description=f"{MIN_LENGTH} to {MAX_LENGTH} characters, whatever you like; nothing that is "
        "easy to guess.",
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )


def _again(other: str) -> PasswordField:
    return PasswordField(
        "The same again",
        [EqualTo(other, _NOT_ALIKE)],
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )


_NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}


class LogInForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", [DataRequired("Say your name.")], render_kw=_NAME)
    password = PasswordField(
        "Password",
        [DataRequired("Say your password."), Length(max=MAX_LENGTH)],
        render_kw={"autocomplete": "current-password"},
    )


class FirstForm(FlaskForm):  # type: ignore[misc]
    """The first administrator."""

    name = StringField(
        "Name",
        [DataRequired("Choose a name to log in with.")],
        description="To log in with: letters a to z, digits and . _ @ -",
        render_kw=_NAME,
    )
    password = _new_password("Password")
    again = _again("password")


class ChoosePasswordForm(FlaskForm):  # type: ignore[misc]
    password = _new_password("Password")
    again = _again("password")


class ChangePasswordForm(FlaskForm):  # type: ignore[misc]
    current = PasswordField(
        "Current password",
        [DataRequired("Say your current password."), Length(max=MAX_LENGTH)],
        render_kw={"autocomplete": "current-password"},
    )
    password = _new_password("New password")
    again = _again("password")


class TokenForm(FlaskForm):  # type: ignore[misc]
    label = StringField(
        "What it is for",
        [DataRequired("Say what it is for."), Length(max=MAX_LABEL)],
        render_kw={"autocomplete": "off", "maxlength": MAX_LABEL},
    )
    scopes = SelectMultipleField(
        "What it may do",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = SelectField(
        "Days it lasts", coerce=int, choices=[str(days) for days in TOKEN_LASTS], default=90
    )


class UserForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        [DataRequired("Choose a name to log in with.")],
        description="To log in with: letters a to z, digits and . _ @ -",
        render_kw={**_NAME, "autocomplete": "off"},
    )
    role = SelectField("Role", choices=[role.value for role in Role])


class BareForm(FlaskForm):  # type: ignore[misc]
    """Buttons and their CSRF token."""
