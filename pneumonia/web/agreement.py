"""How the model did against the reviewers, whether its films have changed, and the export."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from flask import Blueprint, Response, render_template, request
from flask_babel import lazy_gettext  # type: ignore[import-untyped]
from wtforms import Form, SelectChoice, SelectField  # type: ignore[import-untyped]

from pneumonia import reviewed
from pneumonia.errors import BadParameter
from pneumonia.monitoring.drift import MIN_FILMS, REFERENCE
from pneumonia.monitoring.periods import Period
from pneumonia.presentation.agreement import (
    SHIFTS,
    Summary,
    chart,
    describe_summary,
    find_alarms,
    summarise,
)
from pneumonia.presentation.site_calibration import find_site_bundles
from pneumonia.records.audit_chain import Action
from pneumonia.records.observed import UNSTATED, observe
from pneumonia.web.filters import DayField
from pneumonia.web.served_model import known_populations
from pneumonia.web.services import services

blueprint = Blueprint("agreement", __name__)

# What `flask calibrate --from-reviews` asks for; a test holds them against it.
MIN_SITE_FILMS = 100
MIN_SITE_EACH = 20


class AgreementForm(Form):  # type: ignore[misc]
    """What is looked at, under the names it has in an address."""

    model = SelectField(lazy_gettext("Model"))
    population = SelectField(lazy_gettext("Patients"), default="")
    since = DayField(lazy_gettext("Since"))
    until = DayField(lazy_gettext("Until"), end=True)
    period = SelectField(
        lazy_gettext("By"),
        choices=[
            SelectChoice(Period.MONTH, lazy_gettext("Month")),
            SelectChoice(Period.WEEK, lazy_gettext("Week")),
        ],
        default=Period.MONTH,
    )

    def __init__(self, arguments: Mapping[str, str]) -> None:
        super().__init__(arguments)
        models, served = services().worklist.models(), services().settings.model
        self.model.choices = [SelectChoice(name, name) for name in models or [served]]
        if not self.model.data:
            self.model.data = served if served in models else (models or [served])[-1]
        self.population.choices = [
            SelectChoice("", lazy_gettext("All")),
            *(SelectChoice(name, name.capitalize()) for name in known_populations()),
            SelectChoice(UNSTATED, lazy_gettext("Not stated")),
        ]

    def summarise(self) -> Summary:
        """Raises BadParameter where a field holds what it cannot."""
        if not self.validate():
            name, (problem, *_) = next(iter(self.errors.items()))
            given = request.args.get(name, "")[:40]
            raise BadParameter(f"{name} is {given!r}. {problem}")
        observed = observe(services().store, self.model.data, self.population.data)
        at = observed.films.at
        chosen = np.ones(len(at), np.bool_)
        if self.since.data:
            chosen &= at >= _utc(self.since.data)
        if self.until.data:
            chosen &= at < _utc(self.until.data)
        return summarise(observed, chosen, Period(self.period.data))


def _utc(moment: datetime) -> np.datetime64:
    return np.datetime64(round(moment.timestamp() * 1_000_000), "us")


@blueprint.get("/agreement")
def show() -> tuple[str, int]:
    form = AgreementForm(request.args)
    try:
        summary, problem = form.summarise(), ""
    except BadParameter as error:
        summary, problem = None, error.detail
    page = render_template(
        "agreement.html",
        form=form,
        summary=summary,
        problem=problem,
        alarms=find_alarms(summary.periods) if summary else [],
        shifts=SHIFTS,
        curves=chart(summary) if summary else {},
        reference=REFERENCE,
        min_films=MIN_FILMS,
    )
    return page, 400 if problem else 200


@blueprint.get("/api/v1/agreement")
def describe() -> dict[str, Any]:
    form = AgreementForm(request.args)
    if unknown := sorted(request.args.keys() - form.data.keys()):
        raise BadParameter(
            f"There is no filter {unknown[0][:40]!r}; there are: {', '.join(form.data)}."
        )
    return describe_summary(form.summarise())


@blueprint.get("/agreement/reviewed.zip")
def export() -> Response:
    """The reviewed films as a folder that training and evaluation take."""
    own = services()
    found = reviewed.find(own.store)
    pieces = reviewed.zipped(own.store, found, own.settings.models_dir / own.settings.model)
    own.audit.note(Action.EXPORT, f"reviewed films, {len(found.readings)}")
    response = Response(pieces, mimetype="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="reviewed.zip"'
    return response


@blueprint.get("/agreement/calibration")
def calibration() -> str:
    """What there is to calibrate on, and what a calibration on it gave; starts nothing."""
    own = services()
    found = reviewed.find(own.store)
    return render_template(
        "site_calibration.html",
        found=found,
        pneumonia=sum(one.opinion == "pneumonia" for one in found.readings),
        needed=MIN_SITE_FILMS,
        needed_each=MIN_SITE_EACH,
        models_dir=own.settings.models_dir.name,
        bundles=find_site_bundles(own.settings.models_dir),
        served=own.settings.model,
    )
