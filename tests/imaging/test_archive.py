"""ZIP archives of films: what is opened, what is refused by itself, and what refuses all."""

import io
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from pneumonia.errors import (
    ArchiveTooLarge,
    DamagedArchive,
    DamagedImage,
    EmptyArchive,
    FileTooLarge,
    LeftAside,
    MemberRefused,
    UnsupportedFormat,
)
from pneumonia.imaging import Limits
from pneumonia.imaging.archive import Member, is_archive, open_archive
from pneumonia.imaging.dicom_directory import read_directory
from tests.dicom_files import pack, pack_directory

LIMITS = Limits(max_bytes=2 * 2**20)


def opened(data: bytes, limits: Limits = LIMITS) -> tuple[Member, ...]:
    return open_archive(io.BytesIO(data), limits)


def test_members_come_in_order_without_what_lies_beside_films() -> None:
    data = pack(
        {
            "b/2.dcm": b"two",
            "b/": b"",
            "__MACOSX/b/._2.dcm": b"x",
            "b/.DS_Store": b"x",
            "Thumbs.db": b"x",
            "1": b"one",
        }
    )
    assert is_archive(io.BytesIO(data))
    assert [(m.name, m.read()) for m in opened(data)] == [("b/2.dcm", b"two"), ("1", b"one")]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.dcm", "a/../../b", "..\\up", "C:\\a", "c:/a"]
)
def test_a_name_that_leads_out_is_refused_by_itself(name: str) -> None:
    bad, good = opened(pack({name: b"x", "good": b"y"}))
    with pytest.raises(MemberRefused, match="leads out of the archive"):
        bad.read()
    assert good.read() == b"y"


def test_a_link_is_not_followed() -> None:
    info = zipfile.ZipInfo("link.dcm")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    (member,) = opened(pack({info: b"/etc/passwd"}))
    with pytest.raises(MemberRefused, match=r"link.dcm is no file but a link"):
        member.read()


def test_of_two_files_of_one_name_the_first_is_opened() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        first, second = opened(pack([("a", b"first"), ("a", b"second")]))
    assert first.read() == b"first"
    with pytest.raises(MemberRefused, match="two files of the name a"):
        second.read()


def test_an_encrypted_member_is_refused_by_itself() -> None:
    data = bytearray(pack({"secret": b"x", "open": b"y"}))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # general purpose bit 0, in the directory
    secret, other = opened(bytes(data))
    with pytest.raises(MemberRefused, match=r"secret is encrypted.*without a password"):
        secret.read()
    assert other.read() == b"y"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_whose_output_zipfile_does_not_bound_is_refused(method: int) -> None:
    (member,) = opened(pack({"a": b"x" * 1000}, method))
    with pytest.raises(MemberRefused, match=f"method {method}"):
        member.read()


def test_an_archive_within_is_not_opened() -> None:
    (member,) = opened(pack({"inner.zip": pack({"a": b"x"})}))
    with pytest.raises(UnsupportedFormat, match="a ZIP archive within the archive"):
        member.read()


def test_a_bomb_is_refused_by_what_it_says_of_itself() -> None:
    zeros = bytes(LIMITS.max_bytes)
    bomb, large, good = opened(pack({"bomb": zeros, "large": zeros + b"x", "good": b"y"}))
    tracemalloc.start()
    with pytest.raises(MemberRefused, match="more than 100 times its size"):
        bomb.read()
    with pytest.raises(FileTooLarge):
        large.read()
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
    assert good.read() == b"y"


def test_a_size_that_is_a_lie_is_damage_and_unpacks_no_further() -> None:
    """A directory that says 10 bytes of a member that unpacks to two megabytes."""
    data = bytearray(pack({"liar": bytes(2 * 2**20), "good": b"y"}))
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    liar, good = opened(bytes(data))
    tracemalloc.start()
    with pytest.raises(DamagedArchive, match="liar cannot be unpacked"):
        liar.read()
    assert tracemalloc.get_traced_memory()[1] < 500_000
    tracemalloc.stop()
    assert good.read() == b"y"


def test_all_members_together_have_a_bound() -> None:
    noise = np.random.default_rng(1).bytes(150_000)
    limits = Limits(max_bytes=200_000)
    assert len(opened(pack({str(n): noise for n in range(13)}), limits)) == 13
    with pytest.raises(ArchiveTooLarge, match="unpacks to 2 MB; at most 2 MB"):
        opened(pack({str(n): noise for n in range(14)}), limits)


def test_too_many_members_are_refused_before_they_are_objects() -> None:
    with pytest.raises(ArchiveTooLarge, match="2,001 files; at most 2,000"):
        opened(pack({str(n): b"" for n in range(2001)}))
    flood = pack({f"{n:05}" + "x" * 60: b"" for n in range(12_000)})
    tracemalloc.start()
    with pytest.raises(ArchiveTooLarge, match="directory of more than 1 MB"):
        opened(flood)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
def test_an_archive_cut_off_is_damage(share: float) -> None:
    data = pack({"a": np.random.default_rng(1).bytes(5000)})
    with pytest.raises(DamagedArchive, match="cannot be opened: it is cut off"):
        opened(data[: int(share * len(data))])


def test_damage_in_one_member_stops_no_other() -> None:
    data = bytearray(pack({"a": np.random.default_rng(1).bytes(5000), "b": b"y"}))
    data[100] ^= 0xFF
    damaged, good = opened(bytes(data))
    with pytest.raises(DamagedArchive, match="The file a cannot be unpacked"):
        damaged.read()
    assert good.read() == b"y"


def test_damage_anywhere_has_an_error_of_ours() -> None:
    data = pack({"a": b"first", "b": b"second" * 50})
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        try:
            for member in opened(bytes(broken)):
                member.read()
        except (DamagedArchive, MemberRefused, EmptyArchive, ArchiveTooLarge, FileTooLarge):
            continue


def test_nothing_in_it_is_said() -> None:
    for data in (pack({}), pack({"folder/": b"", ".hidden": b"x"})):
        with pytest.raises(EmptyArchive, match="holds no files"):
            opened(data)


def test_an_office_document_is_no_archive_of_films() -> None:
    with pytest.raises(UnsupportedFormat, match="an Office document"):
        opened(pack({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}))


def test_one_member_at_a_time_is_in_memory() -> None:
    film = np.random.default_rng(1).bytes(2**20)
    members = opened(pack({str(n): film for n in range(12)}))
    tracemalloc.start()
    assert {len(member.read()) for member in members} == {2**20}
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


# --- with the directory of a disc ---------------------------------------------------------------


def test_a_directory_says_which_files_are_pictures() -> None:
    data = pack(
        {
            "disc/DICOMDIR": pack_directory(
                [
                    ("IMAGE", ["IMG", "A1"], "1.2.840.10008.5.1.4.1.1.1.1"),
                    ("IMAGE", ["IMG", "CT1"], "1.2.840.10008.5.1.4.1.1.2"),
                    ("IMAGE", ["IMG", "CT2"], "1.2.840.10008.5.1.4.1.1.2"),
                    ("SR DOCUMENT", ["SR1"], "1.2.840.10008.5.1.4.1.1.88.11"),
                    ("IMAGE", ["IMG", "GONE"], "1.2.840.10008.5.1.4.1.1.1"),
                    ("IMAGE", ["IMG", "SC"], "1.2.840.10008.5.1.4.1.1.7"),
                ]
            ),
            "disc/img/a1": b"film",
            "disc/IMG/CT1": b"x",
            "disc/IMG/CT2": b"x",
            "disc/SR1": b"x",
            "disc/IMG/SC": b"capture",
            "disc/VIEWER.EXE": b"MZ",
            "other.png": b"beside the disc",
        }
    )
    *films, note, other = opened(data)
    assert [(film.name, film.read()) for film in films] == [
        ("disc/img/a1", b"film"),
        ("disc/IMG/SC", b"capture"),
    ]
    assert other.read() == b"beside the disc"
    with pytest.raises(LeftAside) as said:
        note.read()
    assert str(said.value) == (
        "This is the directory of a disc (DICOMDIR), no film. It lists 3 X-ray pictures. Left "
        "aside as no X-ray picture: 2 of the kind CT Image Storage. Left aside as no X-ray "
        "picture: 1 of the kind Basic Text SR Storage. 1 file that it lists is not there. 1 file "
        "that it does not list was left aside; send a film among them by itself."
    )


def test_without_a_sound_directory_every_file_is_tried() -> None:
    film, note = opened(pack({"DICOMDIR": b"no directory", "IM1": b"film"}))
    assert film.read() == b"film"
    with pytest.raises(LeftAside, match=r"directory of the disc \(DICOMDIR\) cannot be read"):
        note.read()


def test_a_directory_of_countless_records_is_refused_without_memory() -> None:
    hostile = pack_directory([], items=400_000)
    tracemalloc.start()
    with pytest.raises(DamagedImage, match="more than 50,000 attributes"):
        read_directory(hostile)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()
