"""A film stored in a real Orthanc, routed to us, comes back with its results."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pneumonia.config import ROOT
from pneumonia.records import Audit, Source
from pneumonia.records.audit import AuditQuery
from tests.dicom.jane import opened
from tests.pacs.orthanc import DICOMWEB, ORTHANC, Orthanc, running_orthanc, wait_until
from tests.pacs.reader import Reader, films, numbered

pytestmark = pytest.mark.skipif(ORTHANC is None, reason="needs Debian's orthanc")
needs_dicomweb = pytest.mark.skipif(not DICOMWEB.exists(), reason="needs Debian's orthanc-dicomweb")
Make = Callable[..., Reader]


@pytest.fixture
def pair(reader: Make, tmp_path: Path) -> Iterator[tuple[Reader, Orthanc]]:
    """A reader and an Orthanc that know each other."""
    here = reader()
    with running_orthanc(tmp_path / "orthanc", here.port) as orthanc:
        here.send_to(orthanc.url)
        yield here, orthanc


def test_a_film_comes_back_with_its_results(pair: tuple[Reader, Orthanc], tmp_path: Path) -> None:
    here, orthanc = pair
    with here.working():
        orthanc.route(orthanc.add(numbered(1)))
        wait_until(lambda: here.has(done=1))
    (item,) = here.items()
    assert (item.peer, item.sent_to, item.has_reading) == ("ORTHANC", "ORTHANC", True)
    results = [opened(data) for data in orthanc.results()]
    assert sorted(str(result.Modality) for result in results) == ["OT", "SR"]
    for result in results:
        assert result.StudyInstanceUID == opened(numbered(1)).StudyInstanceUID
        assert str(result.PatientName) == "Doe^Jane"
    assert len(orthanc.ask("GET", "/studies")) == 1
    assert not list((tmp_path / "var" / "queue").glob("*.film"))
    for path in (tmp_path / "var").rglob("*"):
        if path.is_file():
            assert b"Doe" not in path.read_bytes(), path
    entries = Audit(here.services.store).page(AuditQuery())
    told = {(entry.actor, entry.via, entry.action, entry.reading_id) for entry in entries}
    for action in ("upload", "results sent"):
        assert ("receiver", "c-store ORTHANC", action, item.id) in told


def test_the_route_that_we_ship_brings_each_film_and_no_result_round(
    reader: Make, tmp_path: Path
) -> None:
    here = reader()
    with running_orthanc(tmp_path / "orthanc", here.port, ROOT / "orthanc.lua") as orthanc:
        here.send_to(orthanc.url)
        with here.working():
            for film in films(2):
                orthanc.add(film)
            wait_until(lambda: here.has(done=2))
            wait_until(lambda: all(job["State"] == "Success" for job in jobs(orthanc)))
        # Orthanc joins what comes close together into one job.
        assert sum(job["Content"]["CountOperations"] for job in jobs(orthanc)) == 2
        assert len(orthanc.results()) == 4


def jobs(orthanc: Orthanc) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orthanc.ask("GET", "/jobs?expand")
    return found


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs Debian's dicom3tools")
def test_dciodvfy_finds_no_error_in_what_comes_back(
    pair: tuple[Reader, Orthanc], tmp_path: Path
) -> None:
    here, orthanc = pair
    orthanc.route(orthanc.add(numbered(1)))
    here.worker.read_some()
    here.worker.send_some()
    for data in orthanc.results():
        path = tmp_path / "result.dcm"
        path.write_bytes(data)
        run = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        assert "Error" not in run.stderr
        assert run.returncode == 0


def test_a_dead_pacs_loses_nothing_and_gets_each_result_once(
    pair: tuple[Reader, Orthanc],
) -> None:
    here, orthanc = pair
    orthanc.route(*map(orthanc.add, films(3)))
    orthanc.kill()
    while here.worker.read_some():
        pass
    assert here.worker.send_some() == 3
    assert here.has(read=3)
    assert {item.code for item in here.items()} == {"peer_unreachable"}
    for item in here.items():
        here.queue.retry(item.id)  # its turn, without the pause
    assert here.worker.send_some() == 3  # still down
    orthanc.start()
    with here.working():
        wait_until(lambda: here.has(done=3))
    assert len(orthanc.results()) == 6


def test_results_that_are_sent_again_after_a_crash_are_there_once(
    pair: tuple[Reader, Orthanc], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, orthanc = pair
    orthanc.route(orthanc.add(numbered(1)))
    here.worker.read_some()
    with monkeypatch.context() as patch:
        patch.setattr(here.queue, "note_done", lambda *_: 1 / 0)  # the process ends here
        here.worker.send_some()
    assert len(orthanc.results()) == 2
    assert here.has(read=1)
    here.queue.retry(here.items()[0].id)
    here.worker.send_some()
    assert here.has(done=1)
    assert len(orthanc.results()) == 2


def test_what_is_no_chest_film_fails_with_the_reason_and_the_others_go_on(
    pair: tuple[Reader, Orthanc],
) -> None:
    here, orthanc = pair
    blank = numbered(1, Rows=256, Columns=224, PixelData=bytes(256 * 224))
    orthanc.route(orthanc.add(blank), orthanc.add(numbered(2)))
    with here.working():
        wait_until(lambda: here.has(failed=1, done=1))
    failed = next(item for item in here.items() if item.state == "failed")
    assert failed.code == "film_too_flat"
    assert not failed.has_reading


def test_a_film_of_no_study_is_read_and_its_results_go_nowhere(
    pair: tuple[Reader, Orthanc],
) -> None:
    here, orthanc = pair
    here.intake.take(numbered(1, StudyInstanceUID=""), Source.FOLDER)
    here.worker.read_some()
    here.worker.send_some()
    (item,) = here.items()
    assert (item.state, item.has_reading) == ("failed", True)
    assert item.detail.startswith("The DICOM file has no StudyInstanceUID: there is no study")
    assert orthanc.results() == []


@needs_dicomweb
def test_results_go_by_stow_rs_too(pair: tuple[Reader, Orthanc]) -> None:
    here, orthanc = pair
    here.send_to(orthanc.web_url)
    orthanc.route(orthanc.add(numbered(1)))
    here.worker.read_some()
    here.worker.send_some()
    assert here.has(done=1)
    assert here.items()[0].sent_to == "127.0.0.1"
    assert len(orthanc.results()) == 2
    orthanc.kill()
    here.intake.take(numbered(2), here.items()[0].source)
    here.worker.read_some()
    here.worker.send_some()
    assert here.has(done=1, read=1)
    assert here.items()[0].detail == "127.0.0.1 does not answer. It is tried again."
