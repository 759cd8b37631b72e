"""A ZIP archive of films: opened within bounds, one member at a time, never onto a disk."""

import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final, cast

from pneumonia.errors import (
    ArchiveTooLarge,
    DamagedArchive,
    DomainError,
    EmptyArchive,
    ImageError,
    LeftAside,
    MemberRefused,
    UnsupportedFormat,
)
from pneumonia.imaging import dicom_directory
from pneumonia.imaging.limits import Limits
from pneumonia.phrases import phrase

MAX_MEMBERS: Final = 2000
MAX_TIMES_UNPACKED: Final = 10
"""All that is in an archive together, over the largest file that is accepted."""
MAX_RATIO: Final = 100
"""Of a member's size to what is stored of it; a film's is 2 to 5, a bomb's 1,000."""

_MAX_DIRECTORY_BYTES: Final = 2**20  # an entry takes 46 and its name
_SMALL: Final = 2**20  # a member up to this size may be packed as well as it can be
_MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile bounds no other's output
_UNPACK: Final = "Unpack it, and send the folder."
# What file managers and disks leave beside films; the page leaves the same aside.
_LITTER: Final = re.compile(
    r"(^|/)(__macosx/.*|\.(?!\.)[^/]*|thumbs\.db|desktop\.ini)$", re.IGNORECASE
)
_OFFICE: Final = "[Content_Types].xml"


def is_archive(file: IO[bytes]) -> bool:
    """Whether a file begins as a ZIP archive does. It is left at its beginning."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    return start in _MARKS


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, or a sentence on what of it was left aside.

    Attributes
    ----------
    name
        Its path in the archive, made safe to show.
    error
        Why it is not opened; None where it may be.
    """

    name: str
    error: ImageError | None = None
    _info: zipfile.ZipInfo | None = None
    _archive: zipfile.ZipFile | None = None

    @property
    def size_bytes(self) -> int:
        """Unpacked; 0 for what is not opened."""
        return self._info.file_size if self._info else 0

    def read(self) -> bytes:
        """Unpack it.

        Raises
        ------
        ImageError
            Its ``error``; or for what cannot be unpacked, or is an archive itself.
        """
        if self.error is not None:
            raise self.error
        assert self._info is not None
        assert self._archive is not None
        try:
            with self._archive.open(self._info) as file:
                data = file.read(self._info.file_size)
        except Exception as error:  # zipfile, zlib and struct raise theirs
            raise DamagedArchive(
                f"The file {self.name} cannot be unpacked: the archive is damaged there. Copy it "
                "again, or send the file by itself."
            ) from error
        if data.startswith(_MARKS):
            raise UnsupportedFormat(
                f"The file {self.name} is a ZIP archive within the archive, which is not opened. "
                "Unpack it, and send its films."
            )
        return data


def open_archive(file: IO[bytes], limits: Limits) -> tuple[Member, ...]:
    """The members of a ZIP archive that may be films, in its order, nothing unpacked yet.

    Where a DICOMDIR is in it, of what lies in that one's folder the X-ray pictures it lists are
    members, and one more says what was left aside. Folders, hidden files and what file managers
    leave behind are none.

    Parameters
    ----------
    file
        Seekable; it must stay open for as long as members are read.
    limits
        ``max_bytes`` holds for each member, and ten times as much for all that are opened together.

    Raises
    ------
    DamagedArchive, EmptyArchive
    ArchiveTooLarge
        For more members, or more bytes, than are accepted, by what the archive says of them.
    UnsupportedFormat
        For an Office document, which is a ZIP archive too.
    """
    try:
        archive = zipfile.ZipFile(cast("IO[bytes]", _Bounded(file)))
    except ArchiveTooLarge:
        raise
    except Exception as error:  # struct.error and others, beside BadZipFile
        raise DamagedArchive(
            "The ZIP archive cannot be opened: it is cut off or damaged. Copy it again, or send "
            "its films without packing them."
        ) from error
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_MEMBERS:
        raise _too_many(phrase(f"{len(infos):,} files"))
    if any(info.filename == _OFFICE for info in infos):
        raise UnsupportedFormat("This is an Office document, no archive of films. Send the films.")
    members = tuple(_choose(list(_members(archive, infos, limits))))
    total, most = sum(m.size_bytes for m in members), MAX_TIMES_UNPACKED * limits.max_bytes
    if total > most:
        raise ArchiveTooLarge(
            f"The ZIP archive unpacks to {total / 2**20:,.0f} MB; at most {most / 2**20:,.0f} MB "
            f"are accepted. {_UNPACK}"
        )
    if not members:
        raise EmptyArchive("The ZIP archive holds no files. Pack the films again.")
    return members


class _Bounded:
    """A file of which no more is read at once than an archive's directory may have.

    zipfile takes the directory's length from the archive and reads all of it in one piece; the
    members it reads in small ones.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        most = _MAX_DIRECTORY_BYTES
        data = self._file.read(most + 1 if size is None or size < 0 else min(size, most + 1))
        if len(data) > most:
            raise _too_many(phrase(f"a directory of more than {most / 2**20:.0f} MB"))
        return data


def _too_many(what: str) -> ArchiveTooLarge:
    return ArchiveTooLarge(
        f"The ZIP archive has {what}; at most {MAX_MEMBERS:,} files are accepted. {_UNPACK}"
    )


def _members(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], limits: Limits
) -> Iterator[Member]:
    seen: set[str] = set()
    for info in infos:
        if _LITTER.search(info.filename):
            continue
        name = "".join(c if c.isprintable() else "?" for c in info.filename)
        try:
            _check(info, name, limits)
            if info.filename in seen:
                raise MemberRefused(
                    f"The archive has two files of the name {name}; the first alone was opened. "
                    "Rename the other."
                )
        except ImageError as error:
            yield Member(name, error)
        else:
            yield Member(name, None, info, archive)
        seen.add(info.filename)


def _check(info: zipfile.ZipInfo, name: str, limits: Limits) -> None:
    """Raises MemberRefused or FileTooLarge, by what the archive says of a member."""
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    if ".." in parts or parts[:1] == ("/",) or re.match(r"[A-Za-z]:", info.filename):
        raise MemberRefused(
            f"The name {name} leads out of the archive. Pack the film again, under a name of its "
            "own."
        )
    kind = info.external_attr >> 16
    if stat.S_IFMT(kind) and not stat.S_ISREG(kind):
        raise MemberRefused(
            f"{name} is no file but a link to one, or a device. Pack the film itself."
        )
    if info.flag_bits & 1:
        raise MemberRefused(
            f"The file {name} is encrypted. Pack it again without a password, or send it by itself."
        )
    if info.compress_type not in _METHODS:
        raise MemberRefused(
            f"The file {name} is packed in a way that is not opened here (method "
            f"{info.compress_type}). Pack it again as an ordinary ZIP, or send it by itself."
        )
    limits.check_bytes(info.file_size)
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
        raise MemberRefused(
            f"The file {name} unpacks to more than {MAX_RATIO} times its size, as no film does. "
            "Send it by itself."
        )


def _choose(members: list[Member]) -> Iterator[Member]:
    """The members to read, where there are directories of discs by what these list."""
    for at in [m for m in members if m.name.rpartition("/")[2].upper() == dicom_directory.NAME]:
        folder = at.name[: -len(dicom_directory.NAME)]
        inside = {
            m.name[len(folder) :]: m for m in members if m is not at and m.name.startswith(folder)
        }
        try:
            directory = dicom_directory.read_directory(at.read())
        except DomainError as error:
            rest: list[Member] = [*inside.values()]
            note = Member(at.name, LeftAside(error.detail))
        else:
            choice = directory.choose(list(inside))
            rest = [inside[name] for name in choice.films]
            note = Member(at.name, LeftAside(choice.note))
        yield from (*rest, note)
        gone = {id(at), *(id(m) for m in inside.values())}
        members = [m for m in members if id(m) not in gone]
    yield from members
