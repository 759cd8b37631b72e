"""Is the process alive, and can it take a reading? For load balancers and container engines."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from pneumonia.errors import DomainError, ModelNotReady
from pneumonia.web import problems
from pneumonia.web.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> dict[str, str]:
    """200 for as long as the process answers at all."""
    return {"status": "alive"}


@blueprint.get("/readyz")
def ready() -> Response | dict[str, Any]:
    """200 once the model is warm and the database answers; else the reason, as a 503."""
    own = services()
    own.analysis.start()
    if own.analysis.state == "failed" and own.analysis.error is not None:
        return unready(own.analysis.error)
    card = own.analysis.card
    if own.analysis.state != "ready" or card is None:
        return unready(ModelNotReady("The model is still loading. Try again in a few seconds."))
    own.store.check()
    return {
        "status": "ready",
        "model": {"id": card.id, "sha256": card.weights_sha256},
        "engine": own.analysis.engine,
    }


def unready(error: DomainError) -> Response:
    """503 whatever the reason: not ready is not an error of this request."""
    problem = problems.describe(error)
    return problems.respond(replace(problem, status=503, retry_after_s=problem.retry_after_s or 60))
