"""The one table from domain error to HTTP status, and one shape for every error.

Programs get ``application/problem+json`` (RFC 9457) with a stable ``code``; people get a page
with the same sentence.
"""

import logging
import math
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import PurePosixPath

from flask import Flask, Response, g, json, make_response, render_template, request
from flask_limiter import RequestLimit
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pneumonia import errors
from pneumonia.errors import DomainError
from pneumonia.phrases import phrase
from pneumonia.telemetry import REFUSALS
from pneumonia.web.sentences import translate
from pneumonia.web.services import services
from pneumonia.web.visitor import bearer

log = logging.getLogger(__name__)

# The nearest class in an error's ancestry decides; what is not here is the server's fault: 500.
STATUS: dict[type[DomainError], int] = {
    errors.NoImage: 400,
    errors.EmptyFile: 400,
    errors.BadParameter: 400,
    errors.UntrustedHost: 400,
    errors.LogInNeeded: 401,
    errors.CrossOrigin: 403,
    errors.LogInRefused: 403,
    errors.SignInFailed: 403,
    errors.NotPermitted: 403,
    errors.LocalOnly: 403,
    errors.ReadingNotFound: 404,
    errors.RadiographMissing: 404,
    errors.LevelsNotKept: 404,
    errors.StudyNotKept: 404,
    errors.NoAccounts: 404,
    errors.QueueItemNotFound: 404,
    errors.UserNotFound: 404,
    errors.AccountError: 409,
    errors.LinkInvalid: 410,
    errors.FileTooLarge: 413,
    errors.TooManyPixels: 413,
    errors.ArchiveTooLarge: 413,
    errors.UnsupportedFormat: 415,
    errors.UnsupportedEncoding: 415,
    errors.ImageError: 422,
    errors.WeakPassword: 422,
    errors.TooManyAttempts: 429,
    errors.NoModel: 503,
    errors.DamagedBundle: 503,
    errors.UnknownArchitecture: 503,
    errors.ModelNotReady: 503,
    errors.Overloaded: 503,
    errors.AnalysisTimeout: 503,
    errors.StorageUnavailable: 503,
    errors.SignInUnavailable: 503,
    errors.BadSetting: 503,
    errors.AnalysisFailed: 503,
    errors.DecoderUnavailable: 503,
}

# Seconds after which asking again may help; a minute where somebody must mend something first.
RETRY_AFTER_S: dict[type[DomainError], int] = {
    errors.ModelNotReady: 3,
    errors.Overloaded: 2,
    errors.AnalysisTimeout: 10,
    errors.DecoderUnavailable: 5,
}

# HTTP's own errors: status -> code, title, sentence.
_HTTP: dict[int, tuple[str, str, str]] = {
    400: (
        "bad_request",
        phrase("The request cannot be understood"),
        "The request is not well formed. Send it again; a form is best reloaded first.",
    ),
    404: (
        "not_found",
        phrase("There is nothing here"),
        "There is no page at this address. Check it, or start from the home page.",
    ),
    405: (
        "method_not_allowed",
        phrase("This is not how to ask"),
        "This address does not answer that HTTP method; the Allow header lists those it does.",
    ),
    413: (
        "request_too_large",
        phrase("The request is too large"),
        "The form holds more or longer fields than are accepted. Send one image, nothing else.",
    ),
    429: (
        "rate_limited",
        phrase("Too many uploads"),
        "More images came from your address than are accepted in this time. Wait, then go on.",
    ),
    500: (
        "internal_error",
        phrase("Something went wrong on the server"),
        "The server made a mistake and logged it. If it goes on, tell whoever runs this server.",
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, as both doors show it."""

    status: int
    code: str
    title: str
    detail: str
    retry_after_s: int | None = None
    turn: int | None = None
    """By how many degrees clockwise a turned film has to be turned."""

    def as_dict(self) -> dict[str, str | int]:
        values: dict[str, str | int] = {
            "type": f"urn:problem-type:pneumonia:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return values | ({} if self.turn is None else {"turn": self.turn})


def describe(error: Exception) -> Problem:
    """The problem that an exception is to the outside."""
    # What failed before any view ran reaches the handlers inside a bare 500.
    error = getattr(error, "original_exception", None) or error
    if isinstance(error, DomainError):
        return _describe_domain(error)
    if isinstance(error, CSRFError):
        return Problem(
            400,
            "csrf_failed",
            phrase("The form is out of date"),
            "The form did not come from this page, or the page was open for too long. Reload "
            "the page and send it again.",
        )
    if isinstance(error, RequestEntityTooLarge) and _body_too_large():
        return _describe_domain(too_large())
    status = error.code or 500 if isinstance(error, HTTPException) else 500
    if status in _HTTP:
        code, title, detail = _HTTP[status]
        return Problem(status, code, title, detail, g.get("retry_after_s"))
    name = HTTPStatus(status).phrase
    return Problem(status, name.lower().replace(" ", "_"), name, f"{name}.")


def note_breach(limit: RequestLimit) -> None:
    """Remember, for the answer to this request, when its address may send images again."""
    g.retry_after_s = max(1, math.ceil(limit.reset_at - time.time()))


def _describe_domain(error: DomainError) -> Problem:
    status = _nearest(STATUS, error, 500)
    retry = _nearest(RETRY_AFTER_S, error, 60) if status == 503 else None
    if isinstance(error, errors.TooManyAttempts):
        retry = error.retry_after_s
    turn = error.clockwise if isinstance(error, errors.RadiographTurned) else None
    return Problem(status, error.code, error.title, error.detail, retry, turn)


def _nearest(table: dict[type[DomainError], int], error: DomainError, default: int) -> int:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), default)


def _body_too_large() -> bool:
    limit = request.max_content_length
    # A chunked body has no declared length; it was cut off at the limit.
    length = request.content_length
    return limit is not None and (length is None or length > limit)


def too_large() -> errors.FileTooLarge:
    megabytes = services().settings.max_upload_bytes / 2**20
    return errors.FileTooLarge(
        f"The upload is larger than {megabytes:g} MB, the largest file accepted here. Export "
        "the image again with less resolution, or as JPEG; send the films of an archive unpacked."
    )


def wants_json() -> bool:
    """Whether a program is asking: the API, the health checks, by its token or Accept header.

    A page goes to whoever takes anything; where a file was asked for, only to who names HTML.
    """
    if bearer(request) is not None or request.path.startswith(("/api/", "/healthz", "/readyz")):
        return True
    accepted = request.accept_mimetypes
    kinds = ["text/html", "application/json", "application/problem+json"]
    if PurePosixPath(request.path).suffix:
        kinds.reverse()
    return accepted.best_match(kinds, default=kinds[0]) != "text/html"


def respond(problem: Problem) -> Response:
    """The problem as JSON or as a page, whichever was asked for."""
    if wants_json():
        # A page's script shows it; a program, which asks for no language, is answered in English.
        said = replace(problem, title=translate(problem.title), detail=translate(problem.detail))
        body = json.dumps(said.as_dict())
        return complete(make_response(body), problem, "application/problem+json")
    page = render_template("problem.html", problem=problem.as_dict())
    return complete(make_response(page), problem)


def complete(response: Response, problem: Problem, mimetype: str | None = None) -> Response:
    """Give a response the problem's status and headers."""
    REFUSALS.labels(problem.code).inc()
    response.status_code = problem.status
    if mimetype:
        response.mimetype = mimetype
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="pneumonia"'
    return response


def log_failure(error: Exception, problem: Problem) -> None:
    """Log the server's own faults, mistakes with their trace; a refused upload is no fault."""
    if problem.status >= 500:
        trace = error if problem.status == 500 else None
        log.error("%s %s: %s", request.method, request.path, error, exc_info=trace)


def handle(error: Exception) -> Response:
    """Turn any error into its response."""
    problem = describe(error)
    if isinstance(error, DomainError):
        log_failure(error, problem)
    response = respond(problem)
    if isinstance(error, HTTPException) and error.code == 405:
        response.headers["Allow"] = error.get_response().headers["Allow"]
    return response


def register(app: Flask) -> None:
    app.register_error_handler(DomainError, handle)
    app.register_error_handler(HTTPException, handle)
