"""Bundles that were calibrated on a clinic's own films, with their figures before and after."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumonia.errors import DomainError
from pneumonia.phrases import phrase

FIGURES = {
    "sensitivity": phrase("Sensitivity"),
    "specificity": phrase("Specificity"),
    "missed": phrase("Pneumonias called normal"),
    "false_alarms": phrase("Others called pneumonia"),
    "share_in_band": phrase("Called neither"),
}


@dataclass(frozen=True, slots=True)
class SiteBundle:
    """A bundle, and what its card says of its calibration (``site_calibration``)."""

    id: str
    found: dict[str, Any]

    @property
    def rows(self) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
        """What is compared and at which operating point, before and after, with intervals."""
        before, after = self.found["before"], self.found["after"]
        rows = [(phrase("Log loss (less is better)"), "", before["log_loss"], after["log_loss"])]
        for point, old in before["operating_points"].items():
            new = after["operating_points"][point]
            rows += [(title, point, old[name], new[name]) for name, title in FIGURES.items()]
        return rows


def find_site_bundles(models_dir: Path) -> list[SiteBundle]:
    """Those of a folder of bundles, by name; one whose card cannot be read is left out."""
    # Reading a card brings torch with it: not before it is needed.
    from pneumonia.analysis.card import CARD, read_card

    found = []
    for path in sorted(models_dir.glob(f"*/{CARD}")):
        try:
            card = read_card(path.parent)
        except DomainError:
            continue
        if "site_calibration" in card.raw:
            found.append(SiteBundle(card.id, card.raw["site_calibration"]))
    return found
