"""Films that other systems sent: what waits, what failed and why. For administrators."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import BadParameter
from pneumonia.phrases import phrase
from pneumonia.records.queue_item import WAITING, QueueItem, Source, State
from pneumonia.web.account_forms import BareForm
from pneumonia.web.services import services

blueprint = Blueprint("queue", __name__)

AT_ONCE = 100
"""Films on one page."""
_MAX_SEQUENCE = 2**31
GROUPS = {
    "": (phrase("All"), tuple(State)),
    "waiting": (phrase("Waiting"), WAITING),
    "failed": (phrase("Failed"), (State.FAILED,)),
    "done": (phrase("Done"), (State.DONE,)),
    "given-up": (phrase("Given up"), (State.GIVEN_UP,)),
}
"""What the list can be narrowed to: its name in an address, in words, and its states."""
SOURCES = {
    Source.C_STORE: phrase("by DICOM"),
    Source.FOLDER: phrase("folder"),
    Source.DICOMWEB: phrase("by DICOMweb"),
}
STATES = {
    State.RECEIVED: phrase("waits to be read"),
    State.READ: phrase("read; the results wait to be sent"),
    State.DONE: phrase("done"),
    State.FAILED: phrase("failed"),
    State.GIVEN_UP: phrase("given up"),
}


@blueprint.get("/queue")
def show() -> str:
    films, older = _page()
    counts = services().queue.counts()
    return render_template(
        "queue.html",
        films=films,
        older=older,
        is_first="before" not in request.args,
        group=request.args.get("state", ""),
        groups={
            name: (title, sum(counts[state] for state in states))
            for name, (title, states) in GROUPS.items()
        },
        waiting=sum(counts[state] for state in WAITING),
        failed=counts[State.FAILED],
        is_worked=services().queue.is_worked,
        results_go=bool(services().settings.results_to),
        sources=SOURCES,
        states=STATES,
        form=BareForm(formdata=None),
    )


@blueprint.post("/queue")
def act() -> BaseResponse:
    """What the pressed button says: try again or give up, one film or all that failed."""
    queue, film = services().queue, request.form.get("film", "") or None
    match request.form.get("do", ""):
        case "retry":
            count = queue.retry(film)
            one, more = f"{count} film is tried again.", f"{count} films are tried again."
        case "give-up":
            count = queue.give_up(film)
            one, more = f"{count} film is given up.", f"{count} films are given up."
        case _:
            raise BadParameter("Press one of the buttons beside a film.")
    flash(one if count == 1 else more, "notice")
    return redirect(url_for("queue.show", state=request.args.get("state") or None), 303)


@blueprint.get("/api/v1/queue")
def listing() -> dict[str, Any]:
    """The same as JSON."""
    films, older = _page()
    state = request.args.get("state") or None
    return {
        "worker": services().queue.is_worked,
        "counts": {state.value: count for state, count in services().queue.counts().items()},
        "films": [_as_json(film) for film in films],
        "links": {
            "next": url_for("queue.listing", state=state, before=older) if older else None,
        },
    }


def _page() -> tuple[list[QueueItem], int | None]:
    """Films of the asked page, and from where the next goes on. Raises BadParameter."""
    name, before = request.args.get("state", ""), request.args.get("before")
    if name not in GROUPS:
        known = ", ".join(name for name in GROUPS if name)
        raise BadParameter(f"state is {name[:40]!r}; it must be one of {known}, or left out.")
    if before is not None and not (before.isdecimal() and 0 < int(before[:20]) < _MAX_SEQUENCE):
        raise BadParameter(f"before is {before[:40]!r}; it must be the number of a film.")
    films = services().queue.page(
        GROUPS[name][1], before=int(before) if before else None, limit=AT_ONCE + 1
    )
    return films[:AT_ONCE], films[AT_ONCE - 1].sequence if len(films) > AT_ONCE else None


def _as_json(film: QueueItem) -> dict[str, Any]:
    waits = film.state in WAITING
    return {
        "number": film.sequence,
        "id": film.id,
        "source": film.source.value,
        "peer": film.peer,
        "state": film.state.value,
        "received_at": film.received_at.isoformat(),
        "changed_at": film.changed_at.isoformat(),
        "attempts": film.attempts,
        "next_at": film.next_at.isoformat() if waits else None,
        "error": {"code": film.code, "detail": film.detail} if film.code else None,
        "sent_to": film.sent_to or None,
        "reading": url_for("api.get", reading_id=film.id) if film.has_reading else None,
    }
