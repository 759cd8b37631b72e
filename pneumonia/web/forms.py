"""The forms. Each carries the CSRF token, which is checked for every page before its view runs."""

from typing import Any, Self

from flask_babel import lazy_gettext  # type: ignore[import-untyped]
from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from flask_wtf.file import FileField  # type: ignore[import-untyped]
from wtforms import (  # type: ignore[import-untyped]
    RadioField,
    SelectChoice,
    SelectMultipleField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, ValidationError  # type: ignore[import-untyped]
from wtforms.widgets import CheckboxInput  # type: ignore[import-untyped]

from pneumonia.presentation.review import OPINIONS, OTHER_FINDINGS
from pneumonia.web.uploads import FIELD
from pneumonia.web.visitor import visitor


class UploadForm(FlaskForm):  # type: ignore[misc]
    image = FileField(lazy_gettext("Chest X-ray"), name=FIELD)
    submit = SubmitField(lazy_gettext("Read this film"))


class DeleteForm(FlaskForm):  # type: ignore[misc]
    submit = SubmitField(lazy_gettext("Delete this reading"))


class SampleForm(FlaskForm):  # type: ignore[misc]
    submit = SubmitField(lazy_gettext("Read this sample"))


class SelectionForm(FlaskForm):  # type: ignore[misc]
    """Around a list whose readings can be ticked."""


class ReviewForm(FlaskForm):  # type: ignore[misc]
    """What a clinician says of a reading."""

    opinion = RadioField(
        lazy_gettext("Do you agree?"),
        [InputRequired("Choose one: agree, disagree or unsure.")],
        choices=[SelectChoice(name.value, text) for name, text in OPINIONS.items()],
    )
    findings = SelectMultipleField(
        lazy_gettext("Other findings"),
        choices=[SelectChoice(name.value, text) for name, text in OTHER_FINDINGS.items()],
        option_widget=CheckboxInput(),
    )
    note = TextAreaField(
        lazy_gettext("Note"), [Length(max=2000, message="At most 2,000 characters.")]
    )
    reviewer = StringField(
        lazy_gettext("Your name"),
        [
            InputRequired("Say who reviews: a name or initials."),
            Length(max=64, message="At most 64 characters."),
        ],
    )

    @classmethod
    def of_visitor(cls, *args: Any, **kwargs: Any) -> Self:
        """Without the name where somebody is logged in: they review in no other one."""
        form = cls(*args, **kwargs)
        if visitor().user is not None:
            del form.reviewer
        return form

    def validate_reviewer(self, field: StringField) -> None:
        if not field.data.strip() or not field.data.isprintable():
            raise ValidationError("Say who reviews: a name or initials, on one line.")
