"""The forms of accounts. Each carries the CSRF token, as those of the readings do."""

from flask_babel import lazy_gettext  # type: ignore[import-untyped]
from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from wtforms import (  # type: ignore[import-untyped]
    PasswordField,
    SelectChoice,
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


def _new_password(label: object) -> PasswordField:
    return PasswordField(
        label,
        [DataRequired("Choose a password.")],
        description=lazy_gettext(
            "%(least)s to %(most)s characters, whatever you like; nothing that is easy to guess.",
            least=MIN_LENGTH,
            most=MAX_LENGTH,
        ),
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )


def _again(other: str) -> PasswordField:
    return PasswordField(
        lazy_gettext("The same again"),
        [EqualTo(other, _NOT_ALIKE)],
        render_kw={"autocomplete": "new-password", "spellcheck": "false"},
    )


_NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}


class LogInForm(FlaskForm):  # type: ignore[misc]
    name = StringField(lazy_gettext("Name"), [DataRequired("Say your name.")], render_kw=_NAME)
    password = PasswordField(
        lazy_gettext("Password"),
        [DataRequired("Say your password."), Length(max=MAX_LENGTH)],
        render_kw={"autocomplete": "current-password"},
    )


class FirstForm(FlaskForm):  # type: ignore[misc]
    """The first administrator."""

    name = StringField(
        lazy_gettext("Name"),
        [DataRequired("Choose a name to log in with.")],
        description=lazy_gettext("To log in with: letters a to z, digits and . _ @ -"),
        render_kw=_NAME,
    )
    password = _new_password(lazy_gettext("Password"))
    again = _again("password")


class ChoosePasswordForm(FlaskForm):  # type: ignore[misc]
    password = _new_password(lazy_gettext("Password"))
    again = _again("password")


class ChangePasswordForm(FlaskForm):  # type: ignore[misc]
    current = PasswordField(
        lazy_gettext("Current password"),
        [DataRequired("Say your current password."), Length(max=MAX_LENGTH)],
        render_kw={"autocomplete": "current-password"},
    )
    password = _new_password(lazy_gettext("New password"))
    again = _again("password")


class TokenForm(FlaskForm):  # type: ignore[misc]
    label = StringField(
        lazy_gettext("What it is for"),
        [DataRequired("Say what it is for."), Length(max=MAX_LABEL)],
        render_kw={"autocomplete": "off", "maxlength": MAX_LABEL},
    )
    scopes = SelectMultipleField(
        lazy_gettext("What it may do"),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = SelectField(
        lazy_gettext("Days it lasts"),
        coerce=int,
        choices=[str(days) for days in TOKEN_LASTS],
        default=90,
    )


class UserForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        lazy_gettext("Name"),
        [DataRequired("Choose a name to log in with.")],
        description=lazy_gettext("To log in with: letters a to z, digits and . _ @ -"),
        render_kw={**_NAME, "autocomplete": "off"},
    )
    role = SelectField(
        lazy_gettext("Role"),
        choices=[
            SelectChoice(Role.READER.value, lazy_gettext("reader")),
            SelectChoice(Role.REVIEWER.value, lazy_gettext("reviewer")),
            SelectChoice(Role.ADMINISTRATOR.value, lazy_gettext("administrator")),
        ],
    )


class BareForm(FlaskForm):  # type: ignore[misc]
    """Buttons and their CSRF token."""
