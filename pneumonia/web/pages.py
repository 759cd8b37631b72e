"""The pages, for a person with a browser, with or without JavaScript."""

import uuid
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.analysis.finding import PopulationMatch
from pneumonia.errors import BadParameter, DomainError
from pneumonia.imaging.overlay import colour_stops
from pneumonia.presentation.calls import find_calls
from pneumonia.presentation.etiology import find_etiology, say_caution
from pneumonia.presentation.location import CONVENTION, say_location
from pneumonia.presentation.meaning import (
    is_disputed,
    merge_alike,
    say_frequency,
    say_others,
    say_population,
    say_prevalence,
)
from pneumonia.presentation.report import say_confidence
from pneumonia.presentation.review import OTHER_FINDINGS, say_choices, say_opinion
from pneumonia.readings import DEFAULT_OPACITY, marks_region, paints_map
from pneumonia.records import Reading
from pneumonia.web import problems
from pneumonia.web.batches import read_all
from pneumonia.web.contents import are_many
from pneumonia.web.forms import DeleteForm, ReviewForm, SampleForm, UploadForm
from pneumonia.web.samples import SAMPLES, sample_png
from pneumonia.web.served_model import card_of, known_populations, served_card, tells_ages
from pneumonia.web.services import services
from pneumonia.web.uploads import (
    UNKNOWN,
    uploaded_age,
    uploaded_files,
    uploaded_image,
    uploaded_name,
    uploaded_population,
    uploaded_reference,
    uploaded_turn,
)
from pneumonia.web.viewing import describe_view, send_picture
from pneumonia.web.worklist import find_neighbours

blueprint = Blueprint("pages", __name__)

RECENT = 8
"""How many readings a browser remembers, in its own session."""
LEGEND_STOPS = 9


@blueprint.get("/")
def home() -> str:
    services().analysis.start()
    return _home(None)


@blueprint.post("/")
def upload() -> BaseResponse:
    if are_many(uploaded_files()):
        session["population"] = uploaded_population() or UNKNOWN
        batch = uuid.uuid4().hex
        read_all(uploaded_files(), batch)
        return redirect(url_for("batches.show", batch=batch), 303)
    # What was said is known to the page that comes back, whether the film is read or refused.
    age_years = uploaded_age()
    g.said = said = {
        "name": uploaded_name(),
        "reference": uploaded_reference(),
        "age_years": "" if age_years is None else f"{age_years:g}",
    }
    population = uploaded_population()
    session["population"] = population or UNKNOWN
    return _submit(
        uploaded_image(),
        population,
        age_years=age_years,
        turn=uploaded_turn(),
        reference=said["reference"],
        name=said["name"],
    )


@blueprint.post("/samples/<name>")
def sample(name: str) -> BaseResponse:
    return _submit(sample_png(name), synthetic=True)


@blueprint.get("/samples/<name>.png")
def sample_image(name: str) -> BaseResponse:
    return send_picture(sample_png(name), "public, max-age=3600")


@blueprint.get("/readings/<reading_id>")
def reading(reading_id: str) -> str:
    form = ReviewForm.of_visitor(formdata=None, reviewer=session.get("reviewer", ""))
    return render_reading(services().readings.get(reading_id), form)


def render_reading(found: Reading, review_form: ReviewForm) -> str:
    """A reading's page, its review as far as it is filled in."""
    reading_id, finding = found.id, found.finding
    card = card_of(finding.model)
    groups = card.calibration_of(finding.population).frequency if card else ()
    calls = find_calls(finding, card)
    outside = finding.population_match is PopulationMatch.NO
    paint_map = paints_map(finding) and not outside
    return render_template(
        "reading.html",
        reading=found,
        finding=finding,
        etiology=find_etiology(finding),
        caution=say_caution(card),
        frequency=None if outside else say_frequency(finding, groups),
        prevalence=say_prevalence(groups),
        others=say_others(calls),
        disputed=is_disputed(calls),
        population=say_population(finding, card),
        outside=outside,
        warnings=[one for one in finding.quality.warnings if one not in finding.mismatches],
        file_name=_file_names().get(reading_id),
        paint_map=paint_map,
        view=describe_view(found, paint_map=paint_map),
        marks_region=marks_region(finding),
        has_picture=services().readings.has_picture(reading_id),
        confidence=None if outside else say_confidence(finding),
        location=None if outside else say_location(finding),
        convention=CONVENTION,
        image_url=url_for("pages.image", reading_id=reading_id),
        overlay_url=url_for("pages.overlay", reading_id=reading_id, opacity=1),
        json_url=url_for("api.get", reading_id=reading_id),
        delete_form=DeleteForm(formdata=None),
        legend=colour_stops(LEGEND_STOPS),
        neighbours=find_neighbours(found),
        reviews=services().reviews.history(reading_id),
        review_form=review_form,
        opinions=say_choices(finding),
        say_opinion=say_opinion,
        other_findings=OTHER_FINDINGS,
    )


@blueprint.get("/readings/<reading_id>/image.png")
def image(reading_id: str) -> BaseResponse:
    return send_picture(services().readings.radiograph_png(reading_id))


@blueprint.get("/readings/<reading_id>/overlay.png")
def overlay(reading_id: str) -> BaseResponse:
    return send_picture(services().readings.overlay_png(reading_id, _opacity()))


@blueprint.get("/readings/<reading_id>/thumbnail.png")
def thumbnail(reading_id: str) -> BaseResponse:
    return send_picture(services().readings.thumbnail_png(reading_id))


@blueprint.post("/readings/<reading_id>/delete")
def delete(reading_id: str) -> BaseResponse:
    services().readings.delete(reading_id)
    session["recent"] = [other for other in session.get("recent", []) if other != reading_id]
    session["names"] = {key: name for key, name in _file_names().items() if key != reading_id}
    flash("The reading and its picture were deleted.", "notice")
    return redirect(url_for("pages.home"), 303)


@blueprint.get("/model")
def model() -> str:
    try:
        card = served_card()
        decides = card.choose(services().settings.operating_point).name
    except DomainError as error:
        problem = problems.describe(error).as_dict()
        return render_template("model.html", card=None, problem=problem)
    return render_template(
        "model.html",
        card=card,
        decides=decides,
        groups=[
            {
                "name": name,
                "text": card.calibration_of(name).population.text,
                "raw": raw,
                "frequency": merge_alike(card.calibration_of(name).frequency),
            }
            for name, raw in (card.raw.get("populations") or {"": card.raw}).items()
        ],
    )


@blueprint.errorhandler(DomainError)
@blueprint.errorhandler(HTTPException)
def show_problem(error: Exception) -> Response:
    """A refused upload comes back to the form it was sent with; any other error has its page."""
    has_form = request.endpoint in ("pages.upload", "pages.sample") and current_app.secret_key
    if not has_form or problems.wants_json():
        return problems.handle(error)
    problem = problems.describe(error)
    problems.log_failure(error, problem)
    return problems.complete(make_response(_home(problem)), problem)


def _submit(
    data: bytes,
    population: str = "",
    *,
    age_years: float | None = None,
    turn: int = 0,
    reference: str = "",
    name: str = "",
    synthetic: bool = False,
) -> BaseResponse:
    new = services().readings.submit(
        data,
        population,
        age_years=age_years,
        turn=turn,
        reference=reference,
        synthetic=synthetic,
    )
    session["recent"] = recent = [new.id, *session.get("recent", [])][:RECENT]
    names = _file_names() | ({new.id: name} if name else {})
    session["names"] = {key: names[key] for key in recent if key in names}
    return redirect(url_for("pages.reading", reading_id=new.id), 303)


def _file_names() -> dict[str, str]:
    """File names by reading, of this browser's last uploads: kept in its session, nowhere else."""
    names: dict[str, str] = session.get("names", {})
    return names


def _home(problem: problems.Problem | None) -> str:
    settings = services().settings
    return render_template(
        "home.html",
        # Never filled from the request: after a refusal, reading its body again would refuse again.
        form=UploadForm(formdata=None),
        sample_form=SampleForm(formdata=None),
        populations=known_populations(),
        asks_age=tells_ages(),
        remembered=session.get("population"),
        said=g.get("said"),
        problem=problem and problem.as_dict(),
        recent=_recent(),
        samples=[
            {
                "name": name,
                "title": title,
                "image_url": url_for("pages.sample_image", name=name),
            }
            for name, (title, _, _) in SAMPLES.items()
        ],
        limits={
            "max_megabytes": f"{settings.max_upload_bytes / 2**20:.3g}",
            "max_megapixels": f"{settings.max_pixels / 1e6:.3g}",
        },
    )


def _recent() -> list[dict[str, Any]]:
    """The last readings of this browser; the home page opens even where the database does not."""
    ids = session.get("recent", [])
    if not ids:
        return []
    try:
        return [_summary(found) for found in services().readings.find(ids)]
    except DomainError as error:
        problems.log_failure(error, problems.describe(error))
        return []


def _summary(found: Reading) -> dict[str, Any]:
    finding = found.finding
    return {
        "id": found.id,
        "reference": found.reference,
        "file_name": _file_names().get(found.id),
        "synthetic": found.synthetic,
        "population_match": finding.population_match.value,
        "thumbnail_url": services().readings.has_picture(found.id)
        and url_for("pages.thumbnail", reading_id=found.id),
        "url": url_for("pages.reading", reading_id=found.id),
        "created_at": found.created_at,
        "label": finding.label.value,
        "probability": finding.probability,
        "confidence": finding.confidence,
    }


def _opacity() -> float:
    text = request.args.get("opacity")
    if text is None:
        return DEFAULT_OPACITY
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise BadParameter(f"opacity is {text[:40]!r}; it must be a number from 0 to 1.")
    return value
