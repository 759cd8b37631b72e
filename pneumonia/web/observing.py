"""``/metrics``, for whoever runs the server, and what is counted of each request."""

import ipaddress
import shutil
import time
import uuid

from flask import Blueprint, Flask, Response, abort, current_app, g, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pneumonia import telemetry
from pneumonia.config import Settings
from pneumonia.errors import DomainError
from pneumonia.web.services import Services, services

blueprint = Blueprint("observing", __name__)
_NETWORKS = "METRICS_NETWORKS"
_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "DELETE"))


@blueprint.get("/metrics")
def metrics() -> Response:
    """What is counted, in Prometheus' text format; for the addresses of PNEUMONIA_METRICS_FROM."""
    own = services()
    if not _may_ask(own.settings):
        abort(404)
    _look(own)
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _may_ask(settings: Settings) -> bool:
    # Sent on by a proxy that nobody has declared, the address is the proxy's and not the client's.
    if not request.remote_addr or (not settings.proxies and "X-Forwarded-For" in request.headers):
        return False
    address = ipaddress.ip_address(request.remote_addr)
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in current_app.config[_NETWORKS])


def _look(own: Services) -> None:
    """What is known by looking only."""
    card = own.analysis.card
    telemetry.READY.set(own.analysis.state == "ready")
    if card is not None:
        telemetry.MODEL.info({"id": card.id, "sha256": card.weights_sha256})
    try:
        own.store.check()
    except DomainError:
        telemetry.STORAGE_USABLE.set(0)
    else:
        telemetry.STORAGE_USABLE.set(1)
        telemetry.FREE_BYTES.set(shutil.disk_usage(own.settings.data_dir).free)


def begin() -> None:
    """Give the request an id, by which its lines in the log belong together."""
    g.began = time.monotonic()
    telemetry.REQUEST_ID.set(uuid.uuid4().hex[:16])


def end(response: Response) -> Response:
    view = request.endpoint or "none"
    took_s = time.monotonic() - g.began
    method = request.method if request.method in _METHODS else "other"
    telemetry.REQUESTS.labels(method, view, response.status_code).inc()
    telemetry.REQUEST_SECONDS.labels(view).observe(took_s)
    response.headers["X-Request-ID"] = telemetry.REQUEST_ID.get()
    return response


def register(app: Flask, settings: Settings) -> None:
    """Raises BadSetting for networks that cannot be read."""
    app.config[_NETWORKS] = settings.metrics_networks
    app.register_blueprint(blueprint)
    app.before_request(begin)
    app.after_request(end)
