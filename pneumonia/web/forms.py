"""The forms. Each carries the CSRF token, which is checked for every page before its view runs."""

from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from flask_wtf.file import FileField  # type: ignore[import-untyped]
from wtforms import SubmitField  # type: ignore[import-untyped]

from pneumonia.web.uploads import FIELD


class UploadForm(FlaskForm):  # type: ignore[misc]
    image = FileField("Chest X-ray", name=FIELD)
    submit = SubmitField("Read this film")


class DeleteForm(FlaskForm):  # type: ignore[misc]
    submit = SubmitField("Delete this reading")


class SampleForm(FlaskForm):  # type: ignore[misc]
    submit = SubmitField("Read this sample")


class SelectionForm(FlaskForm):  # type: ignore[misc]
    """Around a list whose readings can be ticked."""
