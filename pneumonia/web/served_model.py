"""The model that is served, as the pages speak of it."""

from typing import Any

from pneumonia.analysis.card import Card, read_card
from pneumonia.analysis.finding import ModelRef
from pneumonia.errors import DomainError
from pneumonia.web.services import services


def served_card() -> Card:
    """The card of the served bundle, also before it is loaded. Raises NoModel, DamagedBundle."""
    own = services()
    if own.analysis.error is not None:
        raise own.analysis.error
    return own.analysis.card or read_card(own.settings.models_dir / own.settings.model)


def card_of(model: ModelRef) -> Card | None:
    """The card of the model that made a reading, if that is the one served; else None."""
    try:
        card = served_card()
    except DomainError:
        return None
    return card if card.ref == model else None


def known_populations() -> dict[str, str]:
    """The populations that the served card calibrates apart, in words; empty while unknown."""
    try:
        card = served_card()
    except DomainError:
        return {}
    return {name: one.population.text for name, one in card.populations.items()}


def tells_ages() -> bool:
    """Whether the served card says of what ages its films were; False while unknown."""
    try:
        card = served_card()
    except DomainError:
        return False
    populations = (card.population, *(one.population for one in card.populations.values()))
    return any(one.age_years for one in populations)


def model_status() -> dict[str, Any]:
    """What every page may say of the model; what is not known before it is loaded is None."""
    own = services()
    card, error = own.analysis.card, own.analysis.error
    sha256 = card.weights_sha256 if card else ""
    return {
        "id": card.id if card else own.settings.model,
        "sha256": sha256,
        "short_sha": sha256[:12],
        "population": card.population.text if card else "",
        "state": own.analysis.state,
        "error": error.detail if error else None,
    }
