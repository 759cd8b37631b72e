"""A real Orthanc on loopback, started for a test and ended with it."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.serving import free_port

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Orthanc:
    """One Orthanc over a folder; it can be ended and started anew."""

    def __init__(self, folder: Path, reader_port: int, lua: Path | None = None) -> None:
        self.dicom_port, self.http_port = free_port(), free_port()
        self.url = f"dicom://ORTHANC@127.0.0.1:{self.dicom_port}"
        self.web_url = f"http://127.0.0.1:{self.http_port}/dicom-web"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "DicomAet": "ORTHANC",
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {"reader": ["PNEUMONIA", "127.0.0.1", reader_port]},
            "Plugins": [str(DICOMWEB)] if DICOMWEB.exists() else [],
            "LuaScripts": [str(lua)] if lua else [],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))

    def start(self) -> None:
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [str(ORTHANC), str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        wait_until(self._answers, 60)

    def kill(self) -> None:
        """At once, as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            self.ask("GET", "/system")
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The REST interface's answer: JSON, or bytes of a DICOM file."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            data = response.read()
            assert response.status == 200, (path, response.status, data)
            is_json = response.getheader("Content-Type", "").startswith("application/json")
            return json.loads(data) if is_json else data
        finally:
            connection.close()

    def add(self, film: bytes) -> str:
        """Store a film; returns Orthanc's id of it."""
        return str(self.ask("POST", "/instances", film)["ID"])

    def route(self, *ids: str) -> None:
        """Send films on to the reader by C-STORE, and wait until it has acknowledged them all."""
        self.ask("POST", "/modalities/reader/store", json.dumps(list(ids)))

    def results(self) -> list[bytes]:
        """Every object of a modality that no film has, as DICOM files."""
        found = []
        for instance in self.ask("GET", "/instances?expand"):
            series = self.ask("GET", f"/series/{instance['ParentSeries']}")
            if series["MainDicomTags"].get("SeriesNumber") in ("9001", "9002"):
                found.append(self.ask("GET", f"/instances/{instance['ID']}/file"))
        return found


def wait_until(holds: Any, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, f"not within {within_s} s: {holds}"
        time.sleep(0.05)


@contextmanager
def running_orthanc(folder: Path, reader_port: int, lua: Path | None = None) -> Iterator[Orthanc]:
    orthanc = Orthanc(folder, reader_port, lua)
    try:
        orthanc.start()
        yield orthanc
    finally:
        orthanc.kill()
