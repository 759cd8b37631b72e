"""The films a model is measured on: a folder's split, all of it, or what training held out."""

from typing import TYPE_CHECKING

from pneumonia.errors import DataError
from train.manifest import Manifest, Row, split_by_patient

if TYPE_CHECKING:
    from pneumonia.analysis.bundle import Card

VALIDATION = "validation"
ALL = "all"


def select_rows(manifest: Manifest, split: str, card: "Card") -> tuple[Row, ...]:
    """The films of one split.

    Parameters
    ----------
    split
        A split of the folder (``train``, ``val``, ``test``); ``all``; or ``validation``: the
        patients that training held out of train and val, drawn again by the card's fraction and
        seed.

    Raises
    ------
    DataError
        For a split that is unknown or has no films, naming those available.
    """
    if split == ALL:
        rows = manifest.rows
    elif split == VALIDATION:
        rows = _held_out(manifest, card)
    else:
        rows = manifest.split(split)
    if not rows:
        raise DataError(
            f"There are no films in the split {split!r}. Choose one of: "
            f"{', '.join(_available(manifest, card))}."
        )
    return rows


def _held_out(manifest: Manifest, card: "Card") -> tuple[Row, ...]:
    rule = _split_rule(card)
    if rule is None:
        raise DataError(
            f"The card of model {card.id!r} does not say how its validation films were split off "
            f"(data.split). Choose one of: {', '.join(_available(manifest, card))}."
        )
    pool = manifest.split("train", "val")
    return split_by_patient(pool, *rule)[1] if pool else ()


def _split_rule(card: "Card") -> tuple[float, int] | None:
    """Fraction and seed of the card's validation split; None where it names none."""
    try:
        rule = card.raw["data"]["split"]
        return float(rule["fraction"]), int(rule["seed"])
    except (KeyError, TypeError, ValueError):
        return None


def _available(manifest: Manifest, card: "Card") -> list[str]:
    found = sorted({row.split for row in manifest.rows})
    with_validation = _split_rule(card) is not None and {"train", "val"} & set(found)
    return [*found, *([VALIDATION] if with_validation else []), ALL]
