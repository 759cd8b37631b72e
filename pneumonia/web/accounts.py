"""Logging in and out, the first start, and a person's own account."""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import login_user, logout_user  # type: ignore[import-untyped]
from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import DomainError, LinkInvalid, LogInRefused
from pneumonia.records.audit_chain import Actor
from pneumonia.records.secret import digest
from pneumonia.records.user import SCOPES, User
from pneumonia.web import problems
from pneumonia.web.account_forms import (
    BareForm,
    ChangePasswordForm,
    ChoosePasswordForm,
    FirstForm,
    LogInForm,
    TokenForm,
)
from pneumonia.web.limits import attempts
from pneumonia.web.paths import own_path
from pneumonia.web.services import services
from pneumonia.web.visitor import Visitor, address, user, visitor

blueprint = Blueprint("accounts", __name__)

Answer = BaseResponse | str | tuple[str, int]


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> Answer:
    if visitor().is_authenticated:
        return redirect(next_page(), 303)
    form = LogInForm()
    if not form.validate_on_submit():
        is_first = not form.is_submitted() and not services().accounts.users.exist()
        return _form_page("login.html", form, is_first=is_first)
    attempts().check(address())
    try:
        secret = services().accounts.log_in(form.name.data, form.password.data)
    except LogInRefused as error:
        attempts().note(address())
        return _refused("login.html", form, error, is_first=False)
    begin_session(services().accounts.sessions.find(secret), secret)
    return redirect(next_page(), 303)


@blueprint.post("/logout")
def log_out() -> BaseResponse:
    services().accounts.sessions.close(visitor().session)
    logout_user()
    # What this browser remembered (its last readings, names of files) is not for whoever is next.
    session.clear()
    flash("You are logged out.", "notice")
    out = 1 if services().settings.oidc_issuer else None  # the page offers the way out there, too
    return redirect(url_for("accounts.log_in", out=out), 303)


@blueprint.route("/setup", methods=["GET", "POST"])
def set_up() -> Answer:
    """By a link that works once: the first administrator, or a password for an account.

    Raises LinkInvalid.
    """
    accounts, link = services().accounts, request.args.get("key", "")
    works, name = accounts.links.find(link)
    if not works:
        raise LinkInvalid(
            "It was used already, or it is too old. Ask whoever gave it to you for a new one; the "
            "first one of all is printed anew when the server starts."
        )
    form = ChoosePasswordForm() if name else FirstForm()
    if not form.validate_on_submit():
        return _form_page("setup.html", form, name=name)
    try:
        new = accounts.redeem(link, name or form.name.data, form.password.data)
    except LinkInvalid:
        raise
    except DomainError as error:
        return _refused("setup.html", form, error, name=name)
    begin_session(new, accounts.sessions.open(new))
    flash(f"Welcome, {new.name}. Your account is ready.", "notice")
    return redirect(url_for("pages.home"), 303)


@blueprint.get("/account")
def account() -> str:
    if visitor().user is None:
        return render_template("local.html")
    return _account(ChangePasswordForm(formdata=None))


@blueprint.post("/account/password")
def change_password() -> Answer:
    form = ChangePasswordForm()
    if not form.validate_on_submit():
        return _account(form), 422
    attempts().check(address())
    try:
        services().accounts.change_password(
            user(), form.current.data, form.password.data, visitor().session
        )
    except DomainError as error:
        if isinstance(error, LogInRefused):
            attempts().note(address())
        problem = problems.describe(error)
        return _account(form, problem.as_dict()), problem.status
    flash("Your password is changed, and every other log-in of yours has ended.", "notice")
    return redirect(url_for("accounts.account"), 303)


@blueprint.post("/account/sessions")
def end_others() -> BaseResponse:
    services().accounts.sessions.close_others(user(), visitor().session)
    flash("Every other log-in of yours has ended.", "notice")
    return redirect(url_for("accounts.account"), 303)


@blueprint.post("/account/sessions/<session_id>/end")
def end_session(session_id: str) -> BaseResponse:
    services().accounts.sessions.end(user(), session_id)
    flash("That log-in has ended.", "notice")
    return redirect(url_for("accounts.account"), 303)


@blueprint.get("/account/tokens")
def tokens() -> str:
    return _tokens(_token_form(empty=True))


@blueprint.post("/account/tokens")
def add_token() -> Answer:
    form = _token_form()
    if not form.validate_on_submit():
        return _tokens(form), 422
    try:
        secret = services().accounts.issue_token(
            user(), form.label.data, form.scopes.data, form.days.data
        )
    except DomainError as error:
        problem = problems.describe(error)
        return _tokens(form, problem=problem.as_dict()), problem.status
    # In this one answer, and not in a cookie that a redirect would need.
    return _tokens(_token_form(empty=True), secret=secret, label=form.label.data)


@blueprint.post("/account/tokens/<token_id>/revoke")
def revoke_token(token_id: str) -> BaseResponse:
    services().accounts.tokens.revoke(user(), token_id)
    flash("The token is revoked: it lets nobody in any more.", "notice")
    return redirect(url_for("accounts.tokens"), 303)


def next_page() -> str:
    """Where to go after the log-in."""
    return own_path(request.args.get("next", ""))


def begin_session(who: User | None, secret: str) -> None:
    """Flask-Login's, in a cookie that holds nothing of whoever was here before."""
    assert who is not None
    session.clear()
    login_user(Visitor(who, Actor(who.name, "browser"), who.role.permissions, secret))


def _form_page(template: str, form: FlaskForm, **values: object) -> Answer:
    page = render_template(template, form=form, problem=None, **values)
    return (page, 422) if form.is_submitted() else page


def _refused(template: str, form: FlaskForm, error: DomainError, **values: object) -> Answer:
    problem = problems.describe(error)
    page = render_template(template, form=form, problem=problem.as_dict(), **values)
    return page, problem.status


def _account(form: ChangePasswordForm, problem: dict[str, str | int] | None = None) -> str:
    return render_template(
        "account.html",
        form=form,
        others_form=BareForm(formdata=None),
        problem=problem,
        sessions=services().accounts.sessions.all(user()),
        current=digest(visitor().session),
    )


def _token_form(*, empty: bool = False) -> TokenForm:
    form = TokenForm(formdata=None) if empty else TokenForm()
    form.scopes.choices = [scope.value for scope in SCOPES if scope in user().role.permissions]
    return form


def _tokens(form: TokenForm, **values: object) -> str:
    return render_template(
        "tokens.html",
        form=form,
        revoke_form=BareForm(formdata=None),
        tokens=services().accounts.tokens.all(user()),
        **({"problem": None, "secret": None, "label": None} | values),
    )
