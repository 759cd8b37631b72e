"""Which films train, validate and are held out; and the films that a model is measured on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from pneumonia.errors import DataError
from train.data.manifest import LABELS, Manifest, Row, with_patients
from train.recipes.sections import Split

if TYPE_CHECKING:
    from pneumonia.analysis.card import Card

VALIDATION = "validation"
HELD_OUT = "held-out"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Division:
    """The sides of a split. ``held_out`` is empty where the split keeps no films apart."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    held_out: tuple[Row, ...] = ()


def divide(pool: Iterable[Row], split: Split, official_test: Iterable[Row] = ()) -> Division:
    """Put films on the sides that a recipe's split asks for.

    Parameters
    ----------
    pool
        Films of the folders train and val.
    official_test
        Films of the folder test; only the scheme ``resplit`` looks at them.

    Raises
    ------
    DataError
        When a side would be without one of the classes, or there is no test folder to split anew.
    """
    rows = tuple(pool)
    if split.scheme == "ratio":
        return draw(rows, split)
    train = tuple(row for row in rows if row.split == "train")
    validation = tuple(row for row in rows if row.split == "val")
    test = tuple(official_test)
    if not test:
        raise DataError(
            "The recipe mixes val and test and splits them anew, and there are no test films. Give "
            "a folder with a test split, or choose another split (split.scheme = ratio)."
        )
    halves = Split(fraction=0.5, seed=split.seed, by=split.by)
    mixed = draw(validation + test, halves)
    return Division(train, mixed.validation, mixed.train)


def draw(pool: Iterable[Row], split: Split) -> Division:
    """Split by shares, so that no patient (or film, if the split says so) is on two sides.

    The side depends on the patient and the seed alone, so the same patient stays on the same side
    when films are added, and the split can be made again from the card.

    Raises
    ------
    DataError
        When a side would be without one of the classes.
    """
    sides: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    rows = tuple(pool)
    sources = {row.source for row in rows}
    for absent in set(split.leave_out) - sources:
        raise DataError(
            f"There are no films of the source {absent!r} to leave out. The data has "
            f"{'; '.join(sorted(sources - {''})) or 'none: give manifest.csv the column source'}."
        )
    for row in rows:
        if row.source in split.leave_out:
            sides[2].append(row)
            continue
        number = _number(row.patient if split.by == "patient" else row.file, split.seed)
        held_out = number < split.fraction + split.test
        sides[1 if number < split.fraction else 2 if held_out else 0].append(row)
    division = Division(*map(tuple, sides))
    return _checked(division, f"Split by {split.by}", leaves_out=bool(split.leave_out))


def _checked(division: Division, how: str, *, leaves_out: bool) -> Division:
    parts = {"training": division.train, "validation": division.validation}
    if division.held_out and not leaves_out:  # a place may have one class only
        parts |= {"held-out": division.held_out}
    for name, rows in parts.items():
        absent = [label for label in LABELS if not any(row.label == label for row in rows)]
        if absent:
            patients = len({row.patient for part in parts.values() for row in part})
            raise DataError(
                f"{how}, the {name} part has no {' and no '.join(absent)} film: there are too few "
                f"patients ({patients}). Add films, or choose another split seed in the recipe."
            )
    return division


def _number(name: str, seed: int) -> float:
    """A fixed number in [0, 1) for a patient or a film."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6]) / 2**48


def select_rows(manifest: Manifest, split: str, card: "Card") -> tuple[Row, ...]:
    """The films of one split.

    Where the data does not say whose they are, the rule of the card's own data does for these:
    for ``validation`` and ``held-out``, and for a folder with the films it was trained on.

    Parameters
    ----------
    split
        A split of the folder (``train``, ``val``, ``test``); ``all``; or ``validation`` and
        ``held-out``: what training did not learn from, divided again as the card says.

    Raises
    ------
    DataError
        For a split that is unknown or has no films, naming those available; and for a folder that
        the model was partly chosen on.
    """
    manifest = _with_own_patients(manifest, split, card)
    if split == ALL:
        rows = manifest.rows
    elif split in (VALIDATION, HELD_OUT):
        division = _division(manifest, card)
        rows = division.validation if split == VALIDATION else division.held_out
    else:
        _refuse_resplit(split, card)
        rows = manifest.split(split)
    if not rows:
        raise DataError(
            f"There are no films in the split {split!r}. Choose one of: "
            f"{', '.join(_available(manifest, card))}."
        )
    return rows


def _with_own_patients(manifest: Manifest, split: str, card: "Card") -> Manifest:
    data = card.raw.get("data", {})
    rule = data.get("patient", "")
    if manifest.names_patients or not rule:
        return manifest
    is_own = split in (VALIDATION, HELD_OUT)
    if not is_own:
        pool = Manifest(manifest.root, manifest.split("train", "val"))
        is_own = pool.digest() == data.get("digest")
    return with_patients(manifest, rule) if is_own else manifest


def _refuse_resplit(name: str, card: "Card") -> None:
    split = split_of(card)
    if name in ("val", "test") and split is not None and split.scheme == "resplit":
        raise DataError(
            f"The model {card.id!r} was chosen and calibrated on half of the val and test films, "
            f"so it cannot be measured on {name}. Use --split held-out: the other half."
        )


def _division(manifest: Manifest, card: "Card") -> Division:
    split = split_of(card)
    if split is None:
        raise DataError(
            f"The card of model {card.id!r} does not say how its validation films were split off "
            f"(data.split). Choose one of: {', '.join(_available(manifest, card))}."
        )
    pool = manifest.split("train", "val")
    return divide(pool, split, manifest.split("test")) if pool else Division((), ())


def split_of(card: "Card") -> Split | None:
    """How the card's films were divided; None where it does not say."""
    try:
        rule = card.raw["data"]["split"]
        known = {f.name for f in fields(Split)}
        return Split(
            **{"fraction": float(rule["fraction"]), "seed": int(rule["seed"])}
            | {k: rule[k] for k in known & set(rule) - {"fraction", "seed"}}
        )
    except (KeyError, TypeError, ValueError):
        return None


def _available(manifest: Manifest, card: "Card") -> list[str]:
    found = sorted({row.split for row in manifest.rows})
    split = split_of(card)
    if split is not None and {"train", "val"} & set(found):
        found.append(VALIDATION)
        if split.holds_out:
            found.append(HELD_OUT)
    return [*found, ALL]
