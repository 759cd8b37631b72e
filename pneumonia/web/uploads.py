"""The uploaded file, out of the request: one multipart field, one file, no name trusted."""

from flask import request

from pneumonia.errors import BadParameter, NoImage
from pneumonia.web.served_model import known_populations

FIELD = "image"
POPULATION = "population"
UNKNOWN = "unknown"


def uploaded_image() -> bytes:
    """The bytes of the one file in the field ``image``.

    Raises
    ------
    NoImage
        When there is no such field, it holds text, or the form was sent with no file chosen.
    BadParameter
        When it holds more than one file.
    """
    files = request.files.getlist(FIELD)
    if not files:
        raise NoImage(_missing())
    if len(files) > 1:
        raise BadParameter(
            f"The field {FIELD!r} holds {len(files)} files; one image is read at a time. Send "
            "each in a request of its own."
        )
    data = files[0].stream.read()
    if not data and not files[0].filename:
        raise NoImage(_missing())
    return data


def uploaded_population() -> str:
    """Whose film it is said to be, from the form's field; empty where nothing is said.

    Raises
    ------
    BadParameter
        For a population that the served model does not tell apart.
    """
    name = request.form.get(POPULATION, "").strip().lower()
    if name in ("", UNKNOWN) or name in (known := known_populations()):
        return "" if name == UNKNOWN else name
    accepted = ", ".join([*known, UNKNOWN])
    raise BadParameter(
        f"The field {POPULATION!r} is {name[:40]!r}; the model tells apart: {accepted}. Leave it "
        "out where it is not known."
    )


def _missing() -> str:
    accepted = f"Send a JPEG, PNG or DICOM file as multipart/form-data in the field {FIELD!r}"
    if FIELD in request.form:
        return f"The field {FIELD!r} holds text, not a file. {accepted} (curl: -F {FIELD}=@FILE)."
    if request.files and FIELD not in request.files:
        found = ", ".join(repr(name[:40]) for name in list(request.files)[:3])
        return f"The file came in the field {found}. {accepted}."
    if request.mimetype != "multipart/form-data":
        return f"The request is {request.mimetype or 'without a content type'}. {accepted}."
    return f"No image file was chosen. {accepted}."
