"""The worklist: all readings, filtered and sorted; many at once exported, deleted, brought back."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.errors import BadParameter
from pneumonia.phrases import phrase
from pneumonia.presentation.describe import show_verdict
from pneumonia.presentation.review import say_opinion
from pneumonia.presentation.spreadsheet import as_csv
from pneumonia.records import Page, Query, Reading
from pneumonia.records.audit_chain import Action
from pneumonia.records.user import Permission
from pneumonia.records.worklist import KEPT
from pneumonia.web.filters import FilterForm, place
from pneumonia.web.forms import SelectionForm
from pneumonia.web.guard import refuse
from pneumonia.web.reports import send_zip
from pneumonia.web.services import services
from pneumonia.web.visitor import visitor

blueprint = Blueprint("worklist", __name__)

PER_PAGE = 50


@blueprint.get("/worklist")
def show() -> tuple[str, int]:
    form = FilterForm(request.args)
    try:
        query = form.query()
        page = _page(query)
    except BadParameter as error:
        return _render(form, Page([], None, None), total=None, problem=error.detail), 400
    return _render(form, page, services().worklist.count(query)), 200


@blueprint.get("/worklist.csv")
def export() -> Response:
    """All readings that the filters let through."""
    query = FilterForm(request.args).query()
    services().audit.note(Action.EXPORT, f"worklist, {services().worklist.count(query)} readings")
    return _csv(services().worklist.all(query))


@blueprint.post("/worklist")
def act() -> BaseResponse:
    """What was chosen to do with the readings that were ticked."""
    chosen = request.form.getlist("reading")
    if not chosen:
        flash("No reading is ticked. Tick those that are meant, then choose again.", "error")
    elif request.form.get("act") == "export":
        services().audit.note(Action.EXPORT, f"worklist, {len(chosen)} readings")
        return _csv(services().readings.find(chosen))
    elif request.form.get("act") == "reports":
        return send_zip(services().readings.find(chosen))
    else:
        if not visitor().may(Permission.DELETE):
            refuse()
        number = services().worklist.remove(chosen)
        flash(
            f"{say_number(number)} deleted. For {KEPT.days} days they can be brought back from the "
            "deleted readings, below.",
            "notice",
        )
    return redirect(_back(), 303)


@blueprint.get("/worklist/deleted")
def deleted() -> str:
    query = Query(deleted=True)
    return render_template(
        "deleted.html",
        page=_page(query),
        total=services().worklist.count(query),
        days=KEPT.days,
        selection_form=SelectionForm(formdata=None),
        verdict_of=show_verdict,
        # Out of reach means that its picture is not to be had either.
        no_picture=lambda _: None,
        say_opinion=say_opinion,
    )


@blueprint.post("/worklist/deleted")
def settle() -> BaseResponse:
    """Bring readings back, or delete them for good."""
    chosen = request.form.getlist("reading")
    if not chosen:
        flash("No reading is ticked. Tick those that are meant, then choose again.", "error")
    elif request.form.get("act") == "for-good":
        for reading_id in chosen:
            services().readings.delete(reading_id)
        flash(f"{say_number(len(chosen))} deleted for good.", "notice")
    else:
        number = services().worklist.bring_back(chosen)
        flash(f"{say_number(number)} brought back.", "notice")
    return redirect(url_for("worklist.deleted"), 303)


def say_number(number: int) -> str:
    """ "1 reading", "12,000 readings"."""
    return phrase("1 reading") if number == 1 else phrase(f"{number:,} readings")


def find_neighbours(reading: Reading) -> dict[str, str | None] | None:
    """Addresses of the list and of the readings beside one on it, where its page was opened there.

    The page's own address carries the list's filters; the order is always among them.
    """
    if "sort" not in request.args:
        return None
    form = FilterForm(request.args)
    try:
        query = form.query()
    except BadParameter:
        return None
    previous, following = services().worklist.neighbours(reading, query)
    return {
        "list": url_for("worklist.show", **form.kept),
        "previous": previous and url_for("pages.reading", reading_id=previous, **form.kept),
        "next": following and url_for("pages.reading", reading_id=following, **form.kept),
    }


def _page(query: Query) -> Page:
    return services().worklist.page(
        query,
        after=place("after", query.sort),
        before=place("before", query.sort),
        limit=PER_PAGE,
    )


def _render(form: FilterForm, page: Page, total: int | None, problem: str = "") -> str:
    return render_template(
        "worklist.html",
        form=form,
        kept=form.kept,
        page=page,
        total=total,
        problem=problem,
        selection_form=SelectionForm(formdata=None),
        verdict_of=show_verdict,
        picture_of=_thumbnail,
        number=say_number,
        per_page=PER_PAGE,
        say_opinion=say_opinion,
    )


def _thumbnail(reading: Reading) -> str | None:
    if not services().readings.has_picture(reading.id):
        return None
    return url_for("pages.thumbnail", reading_id=reading.id)


def _csv(readings: Any) -> Response:
    address = url_for("pages.home", _external=True) + "readings/"
    response = Response(as_csv(readings, address), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="readings.csv"'
    return response


def _back() -> str:
    """The list as it was filtered when the form was sent."""
    filters: dict[str, Any] = request.args.to_dict(flat=False)
    return url_for("worklist.show", **filters)
