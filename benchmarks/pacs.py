"""Films routed from a local Orthanc, read by ``flask listen`` and answered, as the page is asked.

``python -m benchmarks.pacs --films 500``; needs Debian's orthanc. Both our processes run the
shipped model; each film is one of 20 of 1.5 megapixels under UIDs of its own.
"""

import argparse
import http.client
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ComputedRadiographyImageStorage, JPEGBaseline8Bit, generate_uid

from benchmarks.films import films
from benchmarks.servers import _free_port as free_port
from pneumonia.config import ROOT

KINDS = 20
EVERY_S = 0.25
LONGEST_S = 900
ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin") or "Orthanc"


def ask(port: int, method: str, path: str, body: Any = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    if response.status >= 300:
        raise RuntimeError(f"{path}: {response.status} {data[:200]!r}")
    return data


def make_dicom(jpeg: bytes) -> bytes:
    """A JPEG as a film of a study of its own."""
    grey = Image.open(io.BytesIO(jpeg)).convert("L")
    frame = io.BytesIO()
    grey.save(frame, "JPEG", quality=90)
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    film.SOPClassUID = ComputedRadiographyImageStorage
    film.SOPInstanceUID, film.StudyInstanceUID, film.SeriesInstanceUID = (
        generate_uid() for _ in range(3)
    )
    film.PatientName, film.PatientID, film.Modality = "Nobody", film.StudyInstanceUID[-16:], "CR"
    film.Columns, film.Rows = grey.size
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation = 7, 0
    film.PixelData = encapsulate([frame.getvalue()])
    out = io.BytesIO()
    film.save_as(out, enforce_file_format=True)
    return out.getvalue()


@contextmanager
def process(command: list[str], log: Path, **environment: str) -> Iterator[None]:
    with log.open("w") as file:
        started = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file
        )
        try:
            yield
        finally:
            started.terminate()
            started.wait()


def wait_until(holds: Any) -> None:
    until = time.monotonic() + LONGEST_S
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if time.monotonic() > until:
            raise TimeoutError(f"not within {LONGEST_S} s")
        time.sleep(0.1)


class Visitor:
    """Looks at the page again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self.took_s: list[float] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            began = time.monotonic()
            ask(self._port, "GET", "/worklist")
            self.took_s.append(time.monotonic() - began)


def measure(count: int, folder: Path) -> None:
    dicom, web, orthanc, orthanc_dicom = (free_port() for _ in range(4))
    kind, jpegs = films(KINDS)
    settings = {
        "PORT": str(web),
        "PNEUMONIA_DATA_DIR": str(folder / "var"),
        "PNEUMONIA_DEVICE": "cpu",
        "PNEUMONIA_DICOM_PORT": str(dicom),
        "PNEUMONIA_RESULTS_TO": f"dicom://ORTHANC@127.0.0.1:{orthanc_dicom}",
    }
    (folder / "orthanc.json").write_text(
        json.dumps(
            {
                "DicomAet": "ORTHANC",
                "DicomPort": orthanc_dicom,
                "HttpPort": orthanc,
                "AuthenticationEnabled": False,
                "StorageDirectory": str(folder / "orthanc"),
                "IndexDirectory": str(folder / "orthanc"),
                "DicomModalities": {"reader": ["PNEUMONIA", "127.0.0.1", dicom]},
            }
        )
    )
    log = folder / "listen.log"
    with ExitStack() as stack:
        start = stack.enter_context
        start(process([ORTHANC, str(folder / "orthanc.json")], folder / "orthanc.log"))
        start(process([sys.executable, "-m", "gunicorn"], folder / "web.log", **settings))
        listen = [sys.executable, "-m", "flask", "--app", "wsgi", "listen"]
        start(process(listen, log, **settings))
        wait_until(lambda: ask(orthanc, "GET", "/system"))
        wait_until(lambda: " is ready: " in log.read_text())

        def is_ready() -> bool:
            try:
                return bool(ask(web, "GET", "/readyz"))
            except RuntimeError:
                return False

        wait_until(is_ready)
        print(f"{count} films, {KINDS} kinds: {kind}; {os.cpu_count()} cores", flush=True)
        ids = [
            json.loads(ask(orthanc, "POST", "/instances", make_dicom(jpegs[n % KINDS])))["ID"]
            for n in range(count)
        ]
        with Visitor(web) as idle:
            time.sleep(10)
        report("the worklist's page before", idle)

        def counts() -> dict[str, int]:
            found: dict[str, int] = json.loads(ask(web, "GET", "/api/v1/queue"))["counts"]
            return found

        began = time.monotonic()
        with Visitor(web) as visitor:
            ask(orthanc, "POST", "/modalities/reader/store", json.dumps(ids))
            routed_s = time.monotonic() - began
            wait_until(lambda: counts()["received"] == counts()["read"] == 0)
            all_s = time.monotonic() - began
        results = len(json.loads(ask(orthanc, "GET", "/instances"))) - count
        print(f"acknowledged after {routed_s:.1f} s: {count / routed_s:.1f} films a second")
        print(f"all answered after {all_s:.1f} s: {count / all_s:.2f} films a second")
        print(f"queue: {counts()}; results in Orthanc: {results}")
        report("the worklist's page meanwhile", visitor)


def report(what: str, visitor: Visitor) -> None:
    took = np.array(visitor.took_s) * 1000
    median, late = np.percentile(took, (50, 95))
    print(
        f"{what}: {median:.0f} ms median, {late:.0f} ms at 95 %, {took.max():.0f} ms at most",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=200)
    with tempfile.TemporaryDirectory() as folder:
        measure(parser.parse_args().films, Path(folder))


if __name__ == "__main__":
    main()
