"""Who may ask for what: one table, looked at before any view."""

from typing import NoReturn

from flask import Flask, Response, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import LocalOnly, LogInNeeded, NoAccounts, NotPermitted
from pneumonia.records.audit_chain import OPERATOR, Action, current_actor
from pneumonia.records.user import Permission
from pneumonia.web import problems
from pneumonia.web.door import SAFE
from pneumonia.web.services import services
from pneumonia.web.visitor import address, is_from_here, visitor

# For whoever watches the server: /metrics looks at the address itself (PNEUMONIA_METRICS_FROM).
WATCHING = frozenset(("health.live", "health.ready", "observing.metrics"))
SIGN_IN = frozenset(("sign_in.begin", "sign_in.end", "sign_in.leave"))
"""The way by the clinic's own sign-in service, where one is set."""
PUBLIC = WATCHING | SIGN_IN | {"static", "language.choose", "accounts.log_in", "accounts.set_up"}
"""All that the anonymous get."""

# Everybody who is logged in; a token needs the scope all the same.
_READ = (
    "pages.home",
    "pages.model",
    "pages.reading",
    "pages.image",
    "pages.overlay",
    "pages.thumbnail",
    "viewing.levels",
    "viewing.layer",
    "reports.page",
    "reports.program",
    "pages.sample_image",
    "results.capture",
    "results.report",
    "results.segmentation",
    "batches.show",
    "worklist.show",
    "worklist.export",
    "worklist.act",  # to export; to delete it asks for more
    "reviews.history",
    "api.get",
    "api.find",
    "openapi.document",
    "openapi.show",
    "batch_api.show",
)
# A person's own account: no scope of a token reaches it.
OWN = frozenset(
    (
        "accounts.log_out",
        "accounts.account",
        "accounts.change_password",
        "accounts.end_others",
        "accounts.end_session",
        "accounts.tokens",
        "accounts.add_token",
        "accounts.revoke_token",
    )
)
NEEDS = {
    **dict.fromkeys(_READ, Permission.READ),
    "pages.upload": Permission.UPLOAD,
    "pages.sample": Permission.UPLOAD,
    "api.create": Permission.UPLOAD,
    "batches.add": Permission.UPLOAD,
    "batch_api.create": Permission.UPLOAD,
    "reviews.add": Permission.REVIEW,
    "reviews.create": Permission.REVIEW,
    "agreement.show": Permission.REVIEW,
    "agreement.describe": Permission.REVIEW,
    "agreement.export": Permission.ADMINISTER,
    "agreement.calibration": Permission.ADMINISTER,
    "worklist.deleted": Permission.DELETE,
    "worklist.settle": Permission.DELETE,
    "pages.delete": Permission.DELETE,
    "api.delete": Permission.DELETE,
    "administration.users": Permission.ADMINISTER,
    "administration.add_user": Permission.ADMINISTER,
    "administration.change_user": Permission.ADMINISTER,
    "administration.audit": Permission.ADMINISTER,
    "administration.export_audit": Permission.ADMINISTER,
    **dict.fromkeys(("queue.show", "queue.act", "queue.listing"), Permission.ADMINISTER),
}
"""What each endpoint asks for; one that is not here asks for the right to administer."""

NEEDS_ACCOUNTS = (OWN - {"accounts.account"}) | {
    "accounts.log_in",
    "accounts.set_up",
    "administration.users",
    "administration.add_user",
    "administration.change_user",
}
"""What the local mode has not."""

VIEWS = frozenset(
    (
        "pages.reading",
        "pages.image",
        "pages.overlay",
        "viewing.levels",
        "viewing.layer",
        "reviews.history",
        "api.get",
    )
)
"""Whoever gets one of these has looked at a reading. A thumbnail in a list is not a look."""


def let_in() -> BaseResponse | None:
    """Before each request.

    Raises
    ------
    LocalOnly
        In the local mode, for a request that does not come straight from this computer.
    NoAccounts
        In the local mode, for what it has not.
    LogInNeeded
        For a program that is not known; a browser is sent to the log-in.
    NotPermitted
    StorageUnavailable
        Where nobody can be known because the database does not answer.
    """
    endpoint = request.endpoint
    if endpoint in WATCHING or endpoint == "static":
        return None
    current_actor.set(visitor().actor)
    if services().settings.is_local:
        _check_local(endpoint)
    if endpoint is None or endpoint in PUBLIC:
        return None
    if "unreachable" in g:
        raise g.unreachable
    if not visitor().is_authenticated:
        return _send_to_log_in()
    if not _may(endpoint):
        refuse()
    return None


def refuse() -> NoReturn:
    """Write down that somebody asked for what they may not have. Raises NotPermitted."""
    services().audit.note(Action.REFUSED, f"{request.method} {request.endpoint}")
    raise NotPermitted(
        "It needs rights that your account, or the token that was sent, does not have. An "
        "administrator of this reader can give them."
    )


def _check_local(endpoint: str | None) -> None:
    if not is_from_here(request):
        raise LocalOnly(
            "It runs in local mode, without a log-in, and answers only this computer itself, not "
            f"{address() or 'another one'} and no proxy. Whoever runs it sets "
            "PNEUMONIA_ACCOUNTS=required to let others in."
        )
    if endpoint in NEEDS_ACCOUNTS:
        raise NoAccounts(
            "It runs in local mode, for one person on this computer. To have accounts, start it "
            "with PNEUMONIA_ACCOUNTS=required."
        )


def _send_to_log_in() -> BaseResponse:
    if problems.wants_json():
        raise LogInNeeded(
            "This reader answers nobody it does not know. Log in on its page; a program sends a "
            "token that is still good, made on the page of the account, in the header "
            "Authorization: Bearer."
        )
    if request.method in SAFE:
        there = request.script_root + request.full_path.rstrip("?")
        return redirect(url_for("accounts.log_in", next=there), 303)
    flash("You were logged out, so nothing was sent or changed. Log in and do it again.", "error")
    return redirect(url_for("accounts.log_in"), 303)


def _may(endpoint: str) -> bool:
    via = visitor().actor.via
    if endpoint in OWN:
        return via in ("browser", "local")
    # The API has no CSRF token: a browser's cookie is good for looking, not for changing.
    if request.path.startswith("/api/") and via == "browser" and request.method not in SAFE:
        raise LogInNeeded(
            "A log-in on the pages does not reach the API's changes: send a token, made on the "
            "page of the account, in the header Authorization: Bearer."
        )
    return visitor().may(NEEDS.get(endpoint, Permission.ADMINISTER))


def note_view(response: Response) -> Response:
    """After each request."""
    if request.endpoint in VIEWS and response.status_code in (200, 304):
        services().audit.note_view((request.view_args or {})["reading_id"])
    return response


def forget_actor(_error: BaseException | None) -> None:
    """The thread serves others next."""
    current_actor.set(OPERATOR)


def register(app: Flask) -> None:
    app.before_request(let_in)
    app.after_request(note_view)
    app.teardown_request(forget_actor)
