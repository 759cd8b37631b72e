"""A watched folder: films are taken whole, moved, and never lost or read twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pneumonia.errors import BadSetting, StorageUnavailable
from pneumonia.imaging.display import encode_png
from pneumonia.pacs.folder import WatchedFolder
from pneumonia.records import Store
from tests.dicom.jane import FILM
from tests.pacs.reader import Reader, numbered

Make = Callable[..., Reader]


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_films_are_taken_when_they_are_whole(reader: Make, incoming: Path) -> None:
    here = reader()
    watched = WatchedFolder(here.intake, incoming)
    film = numbered(1)
    path = incoming / "CR" / "film"
    path.parent.mkdir()
    path.write_bytes(film[:1000])
    assert watched.look() == 0
    with path.open("ab") as more:
        more.write(film[1000:])
    assert watched.look() == 0  # it has grown
    assert watched.look() == 1
    assert names(incoming) == ["done/film"]
    here.worker.read_some()
    here.worker.send_some()
    assert here.has(done=1)
    (item,) = here.items()
    assert (item.source, item.peer, item.has_reading) == ("folder", "", True)


def test_what_holds_no_film_is_put_apart_with_the_reason(
    reader: Make, incoming: Path, tmp_path: Path
) -> None:
    here = reader(max_bytes=200_000)
    watched = WatchedFolder(here.intake, incoming)
    (incoming / "letter.pdf").write_bytes(b"%PDF-1.7 of a patient")
    (incoming / "large.dcm").write_bytes(numbered(1) + bytes(300_000))
    (incoming / "film.png").write_bytes(encode_png(FILM))
    (incoming / ".hidden").write_bytes(b"x")
    (incoming / "copying.part").write_bytes(b"x")
    (incoming / "link.dcm").symlink_to(tmp_path / "elsewhere.dcm")
    (tmp_path / "elsewhere.dcm").write_bytes(numbered(2))
    watched.look()
    watched.look()
    assert names(incoming) == [
        ".hidden",
        "copying.part",
        "done/film.png",
        "failed/large.dcm",
        "failed/large.dcm.txt",
        "failed/letter.pdf",
        "failed/letter.pdf.txt",
        "link.dcm",
    ]
    assert "This is a PDF document." in (incoming / "failed" / "letter.pdf.txt").read_text()
    assert here.has(received=1)


def test_the_same_film_twice_is_one_and_overwrites_nothing(reader: Make, incoming: Path) -> None:
    here = reader()
    watched = WatchedFolder(here.intake, incoming)
    for _ in range(2):
        (incoming / "film.dcm").write_bytes(numbered(1))
        watched.look()
        watched.look()
    assert here.has(received=1)
    assert len(names(incoming / "done")) == 2


def test_while_nothing_can_be_written_down_films_stay_where_they_are(
    reader: Make, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reader()
    here.queue.counts()
    watched = WatchedFolder(here.intake, incoming)
    (incoming / "film.dcm").write_bytes(numbered(1))
    watched.look()
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise StorageUnavailable("The disk is full.")

        patch.setattr(Store, "session", refuse)
        with pytest.raises(StorageUnavailable):
            watched.look()
    assert names(incoming) == ["film.dcm"]
    assert watched.look() == 1
    assert here.has(received=1)


def test_a_folder_that_is_none_is_a_sentence(reader: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadSetting, match="cannot be watched"):
        WatchedFolder(reader().intake, tmp_path / "file")
