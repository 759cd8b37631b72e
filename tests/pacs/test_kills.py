"""Receiver and Orthanc killed at any moment: no acknowledged film is lost, none is answered twice.

``KILLS=10`` kills so often; two kills are in every run.
"""

import os
import random
import threading
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE

from pneumonia.records import Queue, State, Store
from tests.pacs.listening import Command
from tests.pacs.orthanc import ORTHANC, Orthanc, wait_until
from tests.pacs.reader import numbered
from tests.serving import free_port

KILLS = int(os.environ.get("KILLS", "2"))
SEED = 5
FILMS = 6 + 3 * KILLS


class Modality:
    """Sends film after film, each until it is acknowledged, as a router does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._send_all)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _send_all(self) -> None:
        for number in range(FILMS):
            film = pydicom.dcmread(BytesIO(numbered(number)))
            while not self._send(film):
                time.sleep(0.2)
            self.acknowledged.append(str(film.StudyInstanceUID))

    def _send(self, film: pydicom.Dataset) -> bool:
        ae = AE("MODALITY")
        ae.add_requested_context(film.SOPClassUID)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        association = ae.associate("127.0.0.1", self.port, ae_title="PNEUMONIA")
        if not association.is_established:
            return False
        try:
            status = association.send_c_store(film)
            return "Status" in status and status.Status == 0
        except (RuntimeError, ValueError):
            return False
        finally:
            association.release()


@pytest.mark.skipif(ORTHANC is None, reason="needs Debian's orthanc")
@pytest.mark.timeout(300 + 60 * KILLS)
def test_no_acknowledged_film_is_lost_or_answered_twice(tiny_bundle: Path, tmp_path: Path) -> None:
    chance, var, port = random.Random(SEED), tmp_path / "var", free_port()
    orthanc = Orthanc(tmp_path / "orthanc", port)
    modality = Modality(port)
    queue = Queue(Store(f"sqlite:///{var / 'pneumonia.sqlite3'}", var), var)

    def listen() -> Command:
        return Command(tiny_bundle, var, "listen", dicom_port=port, results_to=orthanc.url)

    command = listen()
    try:
        orthanc.start()
        command.wait_for("is ready")
        modality.start()
        for number in range(KILLS):
            time.sleep(chance.uniform(0.2, 2))
            if number % 2:
                orthanc.kill()
                orthanc.start()
            else:
                command.kill()
                command = listen()
                command.wait_for("is ready", number // 2 + 2)
        modality.join()

        def all_done() -> bool:
            assert command.process.poll() is None, command.log()
            for item in queue.page([State.READ, State.RECEIVED], limit=99):
                if item.attempts > 2:  # a longer pause than a test has patience
                    queue.retry(item.id)
            return queue.counts()[State.DONE] == FILMS

        wait_until(all_done, 200)
        results = [pydicom.dcmread(BytesIO(data)) for data in orthanc.results()]
        of_study = Counter(str(result.StudyInstanceUID) for result in results)
        assert of_study == Counter(dict.fromkeys(modality.acknowledged, 2))
        assert len({str(result.SOPInstanceUID) for result in results}) == 2 * FILMS
        assert len(list((var / "films").glob("*/*.png"))) == FILMS
        assert list((var / "queue").glob("*.film")) == []
        assert "Traceback" not in command.log()
    finally:
        command.kill()
        orthanc.kill()
