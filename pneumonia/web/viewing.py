"""What the viewer of a reading shows beyond the plain film, and the pictures that it asks for."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, make_response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from pneumonia.imaging.overlay import Contour, contours
from pneumonia.records import Reading
from pneumonia.web.services import services

blueprint = Blueprint("viewing", __name__, url_prefix="/readings/<reading_id>")

PRIORS = 5
"""Earlier films of one reference that are offered."""
# Not kept: a film that was deleted must not come back from a shared browser's cache.
_NOT_KEPT = "private, no-store"


@dataclass(frozen=True, slots=True)
class View:
    """What the viewer has of one reading.

    Attributes
    ----------
    levels_url
        All grey levels, where there are more than the picture has.
    spacing_mm
        Height and width of a pixel.
    priors
        Earlier films under the same reference, the last one first, each with the address of the
        page that shows it beside.
    prior
        The one of them that is shown.
    """

    map_url: str
    levels_url: str | None
    spacing_mm: tuple[float, float] | None
    contours: list[Contour]
    priors: list[tuple[Reading, str]]
    alone_url: str
    prior: Reading | None = None
    prior_levels_url: str | None = None
    prior_spacing_mm: tuple[float, float] | None = None


def describe_view(reading: Reading, *, paint_map: bool) -> View:
    """For the page of a reading; ``?prior=ID`` shows an earlier film beside it."""
    readings, activation = services().readings, reading.finding.activation
    earlier = services().worklist.priors(reading, PRIORS)
    prior = next((one for one in earlier if one.id == request.args.get("prior")), None)
    return View(
        map_url=url_for("viewing.layer", reading_id=reading.id),
        levels_url=_levels_url(reading.id),
        spacing_mm=readings.spacing_mm(reading.id),
        contours=contours(activation.values, activation.full_scale, activation.geometry)
        if paint_map
        else [],
        priors=[(one, _beside(one.id)) for one in earlier],
        alone_url=_beside(""),
        prior=prior,
        prior_levels_url=_levels_url(prior.id) if prior else None,
        prior_spacing_mm=readings.spacing_mm(prior.id) if prior else None,
    )


def _beside(reading_id: str) -> str:
    """This page with another film beside; what else its address says stays."""
    others = [pair for pair in request.args.items(multi=True) if pair[0] != "prior"]
    return f"?{urlencode([*others, ('prior', reading_id)])}"


def _levels_url(reading_id: str) -> str | None:
    if not services().readings.has_levels(reading_id):
        return None
    return url_for("viewing.levels", reading_id=reading_id)


@blueprint.get("/levels.png")
def levels(reading_id: str) -> BaseResponse:
    """All grey levels, 16-bit."""
    return send_picture(services().readings.levels_png(reading_id))


@blueprint.get("/map.png")
def layer(reading_id: str) -> BaseResponse:
    """The map alone, transparent where it has no colour."""
    return send_picture(services().readings.map_png(reading_id))


def send_picture(png: bytes, cache: str = _NOT_KEPT) -> BaseResponse:
    response = make_response(png)
    response.mimetype = "image/png"
    response.headers["Cache-Control"] = cache
    response.add_etag()
    return response.make_conditional(request)
