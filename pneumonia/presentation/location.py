"""Where the map is hot, in words and in JSON."""

from functools import reduce
from typing import Any

from pneumonia.analysis.finding import Finding
from pneumonia.analysis.location import Location, locate
from pneumonia.phrases import phrase
from pneumonia.readings import paints_map

CONVENTION = (
    "Right and left are the patient's, for a film hung as usual, the patient's right on the "
    "viewer's left; markers on the film are not read, so on a mirrored film they are exchanged. "
    "Zones are thirds of the height of each lung's outline."
)
TOLD = 0.2
"""Of the colour on the film, the least share of a zone that is named beside the hottest."""
MOSTLY = 0.5


def find_location(finding: Finding) -> Location | None:
    """Where the map that is shown is hot; None where no map is shown, or it cannot be said."""
    return locate(finding.activation, finding.outline) if paints_map(finding) else None


def say_location(finding: Finding) -> str | None:
    """A sentence on where the map is hot; None where no map is shown."""
    if not paints_map(finding):
        return None
    location = find_location(finding)
    if location is None:
        if len(finding.outline) != 2:
            return "Where the map is hot cannot be said in words: two lungs were not outlined."
        return "The map has no colour on this film."
    if location.outside > MOSTLY:
        share = round(100 * location.outside)
        return f"The map is hot mostly outside the outlined lungs ({share} % of its colour)."
    hottest, *others = location.zones
    named = [str(zone) for zone in others if zone.share >= TOLD]
    if not named:
        return f"The map is hottest in the {hottest}."
    return f"The map is hottest in the {hottest}, also in the {reduce(_and, named)}."


def _and(one: str, other: str) -> str:
    return phrase(f"{one} and the {other}")


def describe_location(finding: Finding) -> dict[str, Any] | None:
    """As the API tells it; None where no map is shown or it cannot be said."""
    location = find_location(finding)
    if location is None:
        return None
    return {
        "text": say_location(finding),
        "zones": [
            {"side": zone.side, "level": zone.level, "share": round(zone.share, 4)}
            for zone in location.zones
        ],
        "outside": round(location.outside, 4),
        "convention": CONVENTION,
    }
