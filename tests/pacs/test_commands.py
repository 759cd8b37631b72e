"""``flask listen``, ``flask watch`` and ``flask fetch``, as they are run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from pneumonia.records import Queue, State, Store
from pneumonia.web.services import services
from tests.pacs.listening import Command
from tests.pacs.orthanc import DICOMWEB, ORTHANC, running_orthanc, wait_until
from tests.pacs.reader import Reader, films, numbered
from tests.running import running
from tests.serving import free_port


@pytest.mark.timeout(400)
def test_watch_reads_a_folder_and_ends_when_it_is_told(tiny_bundle: Path, tmp_path: Path) -> None:
    incoming, var = tmp_path / "in", tmp_path / "var"
    incoming.mkdir()
    command = Command(tiny_bundle, var, "watch", str(incoming))
    try:
        command.wait_for("are read.")
        (incoming / "film.dcm").write_bytes(numbered(1))
        queue = Queue(Store(f"sqlite:///{var / 'pneumonia.sqlite3'}", var), var)
        wait_until(lambda: queue.counts()[State.DONE] == 1, 120)
        assert queue.is_worked
        assert command.end() == 0
        assert not queue.is_worked
        assert "Traceback" not in command.log()
        assert "Doe" not in command.log()
    finally:
        command.kill()


def test_listen_says_what_is_wrong_with_its_settings(tiny_bundle: Path, tmp_path: Path) -> None:
    for changes, said in (
        ({"dicom_host": "0.0.0.0"}, "PNEUMONIA_DICOM_PEERS is empty"),
        ({"results_to": "pacs:104"}, "must be dicom://AE_TITLE@HOST:PORT"),
        ({"dicom_tls_certificate": "/nowhere.pem"}, "must be a PEM file"),
        ({"dicom_tls_key": "/nowhere.pem"}, "set both"),
        (
            {"dicom_port": 11112, "dicom_host": "192.0.2.1", "dicom_peers": "A"},
            "Nothing can listen",
        ),
    ):
        with running(tiny_bundle, tmp_path / "var", **changes) as app:
            result = app.test_cli_runner().invoke(args=["listen"])
        assert result.exit_code == 1
        assert said in result.output


@pytest.mark.skipif(
    ORTHANC is None or not DICOMWEB.exists(), reason="needs Debian's orthanc and orthanc-dicomweb"
)
def test_fetch_takes_what_matches_once(
    reader: Callable[..., Reader], tiny_bundle: Path, tmp_path: Path
) -> None:
    with running_orthanc(tmp_path / "orthanc", free_port()) as orthanc:
        for film in (*films(3), numbered(9, AccessionNumber="B-18"), numbered(10, "jpeg-2000")):
            orthanc.add(film)
        with running(tiny_bundle, tmp_path / "web", dicomweb_url=orthanc.web_url) as app:

            def fetch(*arguments: str) -> str:
                return str(app.test_cli_runner().invoke(args=["fetch", *arguments]).output)

            assert fetch("--match", "AccessionNumber=B-18") == _said(1, 0)
            assert fetch("--limit", "50") == _said(4, 1)
            assert fetch() == _said(0, 5)
            assert fetch("--modality", "CT") == _said(0, 0)
            assert _sources(app) == {"dicomweb"}
            syntaxes = [services(app).queue.data(id_) for id_ in _ids(app)]
            assert sum(b"1.2.840.10008.1.2.4.90" in data for data in syntaxes) == 1
            assert "must be KEYWORD=VALUE" in fetch("--match", "B-18")
            orthanc.kill()
            assert "127.0.0.1 does not answer." in fetch()
        with running(tiny_bundle, tmp_path / "none") as app:
            answer = app.test_cli_runner().invoke(args=["fetch"])
            assert "must begin with http:// or https://" in answer.output


def _said(new: int, already: int) -> str:
    return f"{new} films for the queue, {already} were there already, 0 could not be taken.\n"


def _ids(app: Flask) -> list[str]:
    return [item.id for item in services(app).queue.page(list(State), limit=99)]


def _sources(app: Flask) -> set[str]:
    return {item.source.value for item in services(app).queue.page(list(State), limit=99)}
