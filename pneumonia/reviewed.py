"""The films that were reviewed, as a folder that training and evaluation take.

Each picture is the film as the screen showed it, 8-bit grey PNG: uploads are not kept. The table
holds what the last review saw, and what the model had said; no reviewer, no note, no reference.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pneumonia.analysis.population import Population
from pneumonia.errors import (
    BadParameter,
    DomainError,
    RadiographMissing,
    ReadingNotFound,
    StorageUnavailable,
)
from pneumonia.records import Opinion, Store
from pneumonia.records.observed import ReviewedReading, find_reviewed

MANIFEST = "manifest.csv"
DATA = "data.toml"
_LABELS = {Opinion.PNEUMONIA: "PNEUMONIA", Opinion.NO_PNEUMONIA: "NORMAL"}
_COLUMNS = (
    "file", "split", "label", "patient", "population", "logit", "probability", "model",
    "weights_sha256",
)  # fmt: skip

ZIP_BYTES = 256 * 2**20
"""Of all pictures in one download: an answer is held whole until it is sent."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The films that are exported, and how many are not.

    Attributes
    ----------
    readings
        One for each film: that of its last review, the newest first.
    unsure
        Films whose last review is unsure.
    outside
        Films that the model does not know.
    missing
        Films whose picture is gone.
    """

    readings: tuple[ReviewedReading, ...]
    unsure: int
    outside: int
    missing: int

    @property
    def left_out(self) -> str:
        """In words; empty where nothing was."""
        reasons = {
            "with an unsure last review": self.unsure,
            "outside what the model knows": self.outside,
            "whose picture is gone": self.missing,
        }
        return ", ".join(f"{number} {reason}" for reason, number in reasons.items() if number)


def find(store: Store) -> Reviewed:
    """What there is to export. Raises what :class:`Store` raises."""
    films: dict[str, ReviewedReading] = {}
    for reading in find_reviewed(store):
        films.setdefault(reading.upload, reading)
    unsure = sum(one.opinion is Opinion.UNSURE for one in films.values())
    sure = [one for one in films.values() if one.opinion in _LABELS]
    known = [one for one in sure if not one.is_outside]
    kept = tuple(one for one in known if store.has_radiograph(one.id))
    return Reviewed(kept, unsure, len(sure) - len(known), len(known) - len(kept))


def export(store: Store, reviewed: Reviewed, bundle: Path, to: Path) -> None:
    """Write the folder.

    Parameters
    ----------
    bundle
        The folder of the model that is served, whose card describes its populations.

    Raises
    ------
    BadParameter
        When there is nothing to export, or something lies there already.
    StorageUnavailable
        When it cannot be written.
    """
    _check(reviewed)
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise BadParameter(f"The folder {to} is not empty. Name a new one.")
        for name, content in _files(store, reviewed, bundle):
            path = to / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {to} cannot be written: {error.strerror}. What it holds by now is not "
            "complete; delete it and choose another place."
        ) from None


def zipped(store: Store, reviewed: Reviewed, bundle: Path) -> Iterator[bytes]:
    """The same folder as a ZIP, piece by piece; pictures are compressed as they are.

    Raises
    ------
    BadParameter
        At once, when there is nothing to export or the pictures are too large for a download.
    """
    _check(reviewed)
    size = sum(store.radiograph_bytes(one.id) for one in reviewed.readings)
    if size > ZIP_BYTES:
        raise BadParameter(
            f"The {len(reviewed.readings)} films take {size >> 20} MB, and a download holds "
            f"{ZIP_BYTES >> 20} MB at most. Whoever runs this server can write them to a "
            "folder, with flask export-reviewed DIR."
        )
    return _zip(_files(store, reviewed, bundle))


class _Pieces(io.RawIOBase):
    """What a ZIP is written to: bytes that are taken away as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._held += data
        return len(data)

    def take(self) -> bytes:
        taken, self._held = bytes(self._held), bytearray()
        return taken


def _zip(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
            yield pieces.take()
    yield pieces.take()


def _check(reviewed: Reviewed) -> None:
    if not reviewed.readings:
        left_out = f" (left out: {reviewed.left_out})" if reviewed.left_out else ""
        raise BadParameter(
            f"There is no reviewed film to export{left_out}. Review films first, on their pages."
        )


def _files(store: Store, reviewed: Reviewed, bundle: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file; the table comes last, and lists what was really there."""
    patients: dict[str, str] = {}
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(_COLUMNS)
    for one in reviewed.readings:
        name = f"films/{one.id}.png"
        try:
            yield name, store.radiograph(one.id)
        except (RadiographMissing, ReadingNotFound):
            continue  # deleted since it was counted
        # Films of one reference are taken for one patient's; the reference itself stays here.
        patient = ""
        if one.reference:
            patient = patients.setdefault(one.reference, f"patient-{len(patients) + 1}")
        rows.writerow(
            (
                name, "train", _LABELS[one.opinion], patient, one.population, repr(one.logit),
                repr(one.probability), one.model.id, one.model.sha256,
            )
        )  # fmt: skip
    yield DATA, _declare(_populations(bundle, reviewed)).encode()
    yield MANIFEST, table.getvalue().encode()


def _populations(bundle: Path, reviewed: Reviewed) -> dict[str, Population]:
    """Of the films, as the card describes them; none where there is no such card."""
    # Reading a card brings torch with it: not before it is needed.
    from pneumonia.analysis.card import read_card

    try:
        populations = read_card(bundle).populations
    except DomainError:
        return {}
    named = {one.population for one in reviewed.readings}
    return {name: one.population for name, one in populations.items() if name in named}


def _declare(populations: dict[str, Population]) -> str:
    """``data.toml``: what is known of the films, which is little."""
    lines = [
        "# Films that were reviewed where they were read. Each picture is the film as the screen",
        "# showed it, 8-bit grey: not the upload, of which no more is kept.",
        'name = "reviewed films"',
        'source = "one reader\'s own films, as its reviewers saw them"',
    ]
    for name, one in populations.items():
        lines += [f"\n[populations.{_quote(name)}]", f"text = {_quote(one.text)}"]
        lines += [f"age_years = {list(one.age_years)}"] if one.age_years else []
        lines += [f"body_part = {_quote(one.body_part)}", f"views = {_quote(list(one.views))}"]
    return "\n".join(lines) + "\n"


def _quote(value: str | list[str]) -> str:
    """As JSON writes it, which is as TOML does."""
    return json.dumps(value, ensure_ascii=False)
