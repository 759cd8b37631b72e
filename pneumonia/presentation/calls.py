"""What each operating point of a model calls one film."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pneumonia.analysis.finding import Finding, Label, OperatingPoint

if TYPE_CHECKING:  # it brings torch with it
    from pneumonia.analysis.card import Card


@dataclass(frozen=True, slots=True)
class Call:
    """What one operating point calls a film; ``decides`` marks the one the reading was made at."""

    point: OperatingPoint
    label: Label
    decides: bool


def find_calls(finding: Finding, card: "Card | None") -> list[Call]:
    """The film at every operating point of its model, by rising threshold.

    Parameters
    ----------
    card
        Of the model that made the reading. Without it, or where its operating points are no longer
        those the reading was made with, the reading's own point stands alone.
    """
    own = finding.operating_point
    points = []
    if card:
        points = list(card.calibration_of(finding.population).operating_points.values())
    if own not in points:
        points = [own]
    return [
        Call(point, point.label(finding.probability), point == own)
        for point in sorted(points, key=lambda point: point.threshold)
    ]
