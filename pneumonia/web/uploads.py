"""The uploaded file, out of the request: one multipart field, one file, no name trusted."""

from flask import request
from werkzeug.datastructures import FileStorage

from pneumonia.errors import BadParameter, NoImage
from pneumonia.imaging.radiograph import OTHER_POPULATION, QUARTER_TURNS
from pneumonia.phrases import phrase
from pneumonia.web.served_model import known_populations

FIELD = "image"
POPULATION = "population"
AGE = "age_years"
REFERENCE = "reference"
TURN = "turn"
NAME_AS_REFERENCE = "name_as_reference"
MAX_AGE_YEARS = 130
MAX_REFERENCE = 64
MAX_NAME = 48
"""Of a file's name that is remembered: the session that holds it is a cookie."""
MAX_FILES = 100
"""In one form, sent as a whole; the page's script sends them one by one."""
UNKNOWN = "unknown"


def uploaded_files() -> list[FileStorage]:
    """What was chosen; a form that was sent with no file chosen has one without a name."""
    return request.files.getlist(FIELD)


def uploaded_image() -> bytes:
    """The bytes of the one file in the field ``image``.

    Raises
    ------
    NoImage
        When there is no such field, it holds text, or the form was sent with no file chosen.
    BadParameter
        When it holds more than one file.
    """
    files = uploaded_files()
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
    if name in ("", UNKNOWN):
        return ""
    known = known_populations()
    known_or_other = [*known, OTHER_POPULATION] if known else []
    if name in known_or_other:
        return name
    accepted = ", ".join([*known_or_other, UNKNOWN])
    raise BadParameter(
        f"The field {POPULATION!r} is {name[:40]!r}; the model tells apart: {accepted}. Leave it "
        "out where it is not known."
    )


def uploaded_age() -> float | None:
    """The patient's age in years, from the form's field; None where nothing is said.

    Raises BadParameter for what is no age.
    """
    text = request.form.get(AGE, "").strip()
    if not text:
        return None
    try:
        age = float(text)
    except ValueError:
        age = float("nan")
    if not 0 <= age <= MAX_AGE_YEARS:
        raise BadParameter(
            f"The field {AGE!r} is {text[:40]!r}; it must be the patient's age in years, a number "
            f"from 0 to {MAX_AGE_YEARS}, with a point for parts of a year. Leave it out where it "
            "is not known."
        )
    return age


def uploaded_reference(name: str | None = None) -> str:
    """What the sender calls the film, from the form's field; empty where nothing is said.

    The file's name where the form says so: the sender's word that it may be kept.

    Parameters
    ----------
    name
        The file's, where it is not the first of the form.

    Raises
    ------
    BadParameter
        For one that is too long, or holds what cannot be shown on a line.
    """
    if request.form.get(NAME_AS_REFERENCE):
        return uploaded_name() if name is None else shorten_name(name)
    reference = request.form.get(REFERENCE, "").strip()
    if len(reference) > MAX_REFERENCE or not reference.isprintable():
        raise BadParameter(
            f"The field {REFERENCE!r} must be one line of at most {MAX_REFERENCE} characters: "
            "initials or an accession number. Shorten it."
        )
    return reference


def uploaded_turn() -> int:
    """By how many degrees clockwise the film is to be turned, from the form's field.

    Raises BadParameter for what is no quarter turn.
    """
    text = request.form.get(TURN, "").strip() or "0"
    if text not in map(str, QUARTER_TURNS):
        raise BadParameter(
            f"The field {TURN!r} is {text[:40]!r}; a film is turned clockwise by 0, 90, 180 or "
            "270 degrees."
        )
    return int(text)


def uploaded_name() -> str:
    """The name of the first uploaded file; empty where there is none."""
    file = request.files.get(FIELD)
    return shorten_name((file.filename if file else None) or "")


def shorten_name(name: str) -> str:
    """A file's name as it is shown and kept: without folders, on one line, not too long."""
    name = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 12]}…{name[-11:]}"


def _missing() -> str:
    accepted = phrase(
        f"Send a JPEG, PNG or DICOM file as multipart/form-data in the field {FIELD!r}"
    )
    if FIELD in request.form:
        return f"The field {FIELD!r} holds text, not a file. {accepted} (curl: -F {FIELD}=@FILE)."
    if request.files and FIELD not in request.files:
        found = ", ".join(repr(name[:40]) for name in list(request.files)[:3])
        return f"The file came in the field {found}. {accepted}."
    if request.mimetype != "multipart/form-data":
        return f"The request is {request.mimetype or 'without a content type'}. {accepted}."
    return f"No image file was chosen. {accepted}."
