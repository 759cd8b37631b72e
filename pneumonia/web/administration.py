"""For administrators: users, and the audit log."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import BadParameter, DomainError
from pneumonia.phrases import phrase
from pneumonia.records.audit import AuditQuery
from pneumonia.records.audit_chain import Action
from pneumonia.records.user import Role
from pneumonia.web import problems
from pneumonia.web.account_forms import BareForm, UserForm
from pneumonia.web.services import services

blueprint = Blueprint("administration", __name__)

ROLES = {
    Role.READER: phrase("reader"),
    Role.REVIEWER: phrase("reviewer"),
    Role.ADMINISTRATOR: phrase("administrator"),
}
AT_ONCE = 100
"""Entries of the log on one page."""
_MAX_SEQUENCE = 2**53


@blueprint.get("/users")
def users() -> str:
    return _users(UserForm(formdata=None))


@blueprint.post("/users")
def add_user() -> str | tuple[str, int]:
    form = UserForm()
    if not form.validate_on_submit():
        return _users(form), 422
    try:
        new = services().accounts.add(form.name.data, Role(form.role.data))
    except DomainError as error:
        problem = problems.describe(error)
        return _users(form, problem=problem.as_dict()), problem.status
    return _users(UserForm(formdata=None), link=_link_for(new.name), name=new.name)


@blueprint.post("/users/<name>")
def change_user(name: str) -> str | tuple[str, int] | BaseResponse:
    """What the pressed button says: role, link, log-out, disable or enable."""
    people, what = services().accounts.users, request.form.get("do", "")
    try:
        match what:
            case "role":
                people.set_role(name, _role())
                said = f"{name} is {_role()} now."
            case "disable":
                people.disable(name)
                said = f"{name} is logged out everywhere and cannot log in, nor can their tokens."
            case "enable":
                people.enable(name)
                said = f"{name} can log in again."
            case "end":
                services().accounts.sessions.end_all(people.get(name))
                said = f"{name} is logged out everywhere and can log in again; tokens go on."
            case "link":
                return _users(UserForm(formdata=None), link=_link_for(name), name=name)
            case _:
                raise BadParameter("Press one of the buttons beside the user's name.")
    except DomainError as error:
        problem = problems.describe(error)
        return _users(UserForm(formdata=None), problem=problem.as_dict()), problem.status
    flash(said, "notice")
    return redirect(url_for("administration.users"), 303)


@blueprint.get("/audit")
def audit() -> str:
    query = AuditQuery(
        actor=_asked("actor", 64), reading_id=_asked("reading", 32), action=_asked("action", 32)
    )
    entries = services().audit.page(query, before=_before(), limit=AT_ONCE + 1)
    older = entries[AT_ONCE - 1].sequence if len(entries) > AT_ONCE else None
    return render_template(
        "audit.html",
        entries=entries[:AT_ONCE],
        query=query,
        actions=[action.value for action in Action],
        older=older,
        is_first="before" not in request.args,
    )


@blueprint.get("/audit.jsonl")
def export_audit() -> Response:
    """All of it, streamed; itself the last entry."""
    services().audit.note(Action.EXPORT, "audit log")
    response = Response(services().audit.json_lines(), mimetype="application/jsonl")
    response.headers["Content-Disposition"] = "attachment; filename=audit.jsonl"
    return response


def _asked(name: str, longest: int) -> str:
    """A filter's text, on one line: PostgreSQL takes no NUL."""
    text = request.args.get(name, "").strip()[:longest]
    return text if text.isprintable() else ""


def _before() -> int | None:
    text = request.args.get("before")
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text[:20]) < _MAX_SEQUENCE:
        raise BadParameter(f"before is {text[:40]!r}; it must be the number of an entry.")
    return int(text)


def _role() -> Role:
    """Raises BadParameter."""
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise BadParameter(f"The role must be one of {', '.join(Role)}.") from None


def _link_for(name: str) -> str:
    """The address of a page on which a person chooses a password. Raises UserNotFound."""
    return url_for("accounts.set_up", key=services().accounts.give_link(name), _external=True)


def _users(form: UserForm, **values: object) -> str:
    return render_template(
        "users.html",
        form=form,
        user_form=BareForm(formdata=None),
        users=services().accounts.users.all(),
        roles=ROLES,
        **({"problem": None, "link": None, "name": None} | values),
    )
