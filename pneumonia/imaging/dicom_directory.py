"""A DICOMDIR (PS3.3, annex F): which files beside it are X-ray pictures, which are others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pneumonia.errors import DamagedImage
from pneumonia.imaging.dicom import read_elements
from pneumonia.imaging.dicom_facts import printable
from pneumonia.imaging.dicom_scan import DIRECTORY_RECORDS
from pneumonia.phrases import phrase

NAME: Final = "DICOMDIR"
_KIND: Final = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage
_MAX_BYTES: Final = 4 * 2**20  # a picture takes some 500
_OF_FILMS: Final = (
    "1.2.840.10008.5.1.4.1.1.1",  # CR
    "1.2.840.10008.5.1.4.1.1.1.1",  # DX, for presentation and for processing
    "1.2.840.10008.5.1.4.1.1.1.1.1",
)
_SECONDARY_CAPTURES: Final = "1.2.840.10008.5.1.4.1.1.7"  # and those of several frames


@dataclass(frozen=True, slots=True)
class Choice:
    """Files beside a directory: the pictures among them, and a sentence on all that was left."""

    films: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Directory:
    """What a DICOMDIR lists; names of patients are in it, and none is taken out of it.

    Attributes
    ----------
    films
        Paths from the directory's folder, ``/`` between: CR, DX, secondary captures, and pictures
        of a kind that is not known.
    others
        The other files listed, by the name of their kind: CT, reports, presentation states.
    """

    films: tuple[str, ...]
    others: tuple[tuple[str, str], ...]

    def choose(self, names: Sequence[str]) -> Choice:
        """Which of the files below the directory's folder to read; case does not matter.

        Parameters
        ----------
        names
            Paths from the directory's folder, itself not among them.
        """
        there = {_folded(name): name for name in names}
        films = tuple(there[key] for key in map(_folded, self.films) if key in there)
        listed = {*map(_folded, self.films), *(_folded(path) for path, _ in self.others)}
        unlisted = len(there.keys() - listed)
        missing = len(self.films) - len(films)
        notes = [self.note]
        if missing:
            notes.append(
                phrase("1 file that it lists is not there.")
                if missing == 1
                else f"{missing:,} files that it lists are not there."
            )
        if unlisted:
            notes.append(
                phrase(
                    "1 file that it does not list was left aside; send a film among them by itself."
                )
                if unlisted == 1
                else f"{unlisted:,} files that it does not list were left aside; send a film "
                "among them by itself."
            )
        return Choice(films, " ".join(notes))

    @property
    def note(self) -> str:
        """What it lists, and why some of it is no film."""
        count = len(self.films)
        notes = [
            "This is the directory of a disc (DICOMDIR), no film. It lists 1 X-ray picture."
            if count == 1
            else f"This is the directory of a disc (DICOMDIR), no film. It lists {count} X-ray "
            "pictures."
        ]
        notes += [
            f"Left aside as no X-ray picture: {count:,} of the kind {kind}."
            for kind, count in Counter(kind for _, kind in self.others).most_common()
        ]
        return " ".join(notes)


def is_directory(data: bytes) -> bool:
    """Whether a file is a DICOMDIR, by its file meta information."""
    return data[128:132] == b"DICM" and _KIND in data[132:1024]


def read_directory(data: bytes) -> Directory:
    """Read a DICOMDIR, within bounds on its records.

    Raises
    ------
    UnsupportedEncoding
        Without pydicom.
    DamagedImage
        For what is no directory, is cut off, or lists more than a disc holds.
    """
    dataset = read_elements(data, {DIRECTORY_RECORDS: _MAX_BYTES})
    try:
        records = [_entry(record) for record in dataset.DirectoryRecordSequence]
    except Exception as error:  # pydicom raises almost anything on hostile bytes
        raise DamagedImage(
            "The directory of the disc (DICOMDIR) cannot be read: it is cut off or damaged. Send "
            "the films themselves."
        ) from error
    found = [entry for entry in records if entry is not None]
    return Directory(
        tuple(dict.fromkeys(path for path, kind in found if not kind)),
        tuple((path, kind) for path, kind in found if kind),
    )


def _entry(record: Any) -> tuple[str, str] | None:
    """The file of one record and what it is, empty for a film; None where it has no file."""
    parts = record.get("ReferencedFileID")
    if not parts:
        return None
    path = parts if isinstance(parts, str) else "/".join(map(str, parts))
    uid: Any = record.get("ReferencedSOPClassUIDInFile") or ""
    if record.get("DirectoryRecordType") != "IMAGE":
        return path, printable(getattr(uid, "name", "") or record.get("DirectoryRecordType"))
    is_known = bool(uid) and uid.name != uid
    is_film = uid in _OF_FILMS or str(uid).startswith(_SECONDARY_CAPTURES) or not is_known
    return path, "" if is_film else printable(uid.name)


def _folded(path: str) -> str:
    return path.replace("\\", "/").casefold()
