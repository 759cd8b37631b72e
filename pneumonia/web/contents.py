"""What was sent, archives opened: one film after another, each read when its turn comes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from werkzeug.datastructures import FileStorage

from pneumonia.errors import ImageError, LeftAside
from pneumonia.imaging import Limits
from pneumonia.imaging.archive import Member, is_archive, open_archive
from pneumonia.imaging.dicom_directory import is_directory, read_directory
from pneumonia.web.services import services


@dataclass(frozen=True, slots=True)
class Sent:
    """One file that was sent, by itself or in an archive.

    Attributes
    ----------
    name
        Its own, as the sender calls it; with the folders of its archive.
    """

    name: str
    _source: Member | IO[bytes] | ImageError

    def read(self) -> bytes:
        """Its bytes.

        Raises
        ------
        ImageError
            For an archive, or a member of one, that cannot be opened.
        LeftAside
            For the directory of a disc, which says what films there are.
        """
        if isinstance(self._source, ImageError):
            raise self._source
        data = self._source.read()
        if is_directory(data):
            directory = read_directory(data)
            raise LeftAside(directory.note, directory.films)
        return data


def sent_films(files: Sequence[FileStorage]) -> Iterator[Sent]:
    """Every file, in order; in place of an archive what is in it, or why it is not opened."""
    settings = services().settings
    limits = Limits(max_bytes=settings.max_upload_bytes)
    for file in files:
        name = file.filename or ""
        if not is_archive(file.stream):
            yield Sent(name, file.stream)
            continue
        try:
            members = open_archive(file.stream, limits)
        except ImageError as error:
            yield Sent(name, error)
            continue
        for member in members:
            yield Sent(member.name, member)


def are_many(files: Sequence[FileStorage]) -> bool:
    """Whether a form's files make a batch: several, or an archive."""
    return len(files) > 1 or any(is_archive(file.stream) for file in files)


def count_films(files: Sequence[FileStorage]) -> int:
    """How many uploads a request counts for; 1 at least."""
    return sum(1 for _ in sent_films(files)) or 1
