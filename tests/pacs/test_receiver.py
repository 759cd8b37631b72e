"""C-ECHO and C-STORE by dcmtk and pynetdicom: what is taken, and what each refusal says."""

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from pneumonia.pacs.receiver import STORAGE_CLASSES, TRANSFER_SYNTAXES
from pneumonia.records import Source, Store
from tests.dicom.jane import FILM, SHA256
from tests.dicom_files import SYNTAXES
from tests.hostile.dicom_damage import FILMS
from tests.pacs.reader import Reader, numbered

Make = Callable[..., Reader]
CR = "1.2.840.10008.5.1.4.1.1.1"
needs_dcmtk = pytest.mark.skipif(shutil.which("storescu") is None, reason="needs Debian's dcmtk")


@contextmanager
def associated(reader: Reader, *classes: Any, **options: Any) -> Iterator[Any]:
    ae = AE(options.get("calling", "STORESCU"))
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    for kind in classes or (CR,):
        ae.add_requested_context(kind, options.get("syntax", ExplicitVRLittleEndian))
    association = ae.associate(
        "127.0.0.1", reader.port, ae_title=options.get("called", "PNEUMONIA")
    )
    try:
        yield association
    finally:
        association.release()


def send_raw(association: Any, body: bytes, kind: str = CR) -> Dataset:
    """The bytes of a data set as they are: pynetdicom would encode a data set anew."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = kind
    request.AffectedSOPInstanceUID = "1.2.3.4"
    request.Priority = 2
    request.DataSet = BytesIO(body)
    # As send_c_store does: else the association's own thread may take the answer.
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    assert answer is not None, "no answer"
    return answer


def body_of(film: bytes) -> bytes:
    return film[144 + int.from_bytes(film[140:144], "little") :]


@needs_dcmtk
def test_dcmtk_echoes_and_stores(reader: Make, tmp_path: Path) -> None:
    here = reader()
    to = ["-aec", "PNEUMONIA", "127.0.0.1", str(here.port)]
    assert subprocess.run(["echoscu", *to]).returncode == 0
    paths = []
    for number, name in enumerate(("explicit", "implicit", "big", "jpeg", "lossless", "rle")):
        paths.append(tmp_path / f"{name}.dcm")
        paths[-1].write_bytes(numbered(number, name))
    options = {"jpeg": "-xy", "lossless": "-xs", "rle": "-xr", "big": "-xb", "implicit": "-xi"}
    for path in paths:
        option = options.get(path.stem)
        run = ["storescu", *([option] if option else []), *to, str(path)]
        assert subprocess.run(run).returncode == 0, path
    assert here.has(received=6)
    assert {item.source for item in here.items()} == {Source.C_STORE}
    assert {item.peer for item in here.items()} == {"STORESCU"}
    here.worker.read_some()
    here.worker.read_some()
    assert here.has(read=6)


@needs_dcmtk
def test_a_query_is_not_ours_to_answer(reader: Make) -> None:
    run = ["findscu", "-S", "-k", "0008,0052=STUDY", "-aec", "PNEUMONIA", "127.0.0.1"]
    answer = subprocess.run([*run, str(reader().port)], capture_output=True, text=True)
    assert "No Acceptable Presentation Contexts" in answer.stderr + answer.stdout


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_that_is_read_is_taken(reader: Make, syntax: str) -> None:
    here = reader()
    film = FILMS[syntax]
    with associated(here, CR, syntax=SYNTAXES[syntax]) as association:
        assert send_raw(association, body_of(film)).Status == 0
    data = here.queue.data(here.items()[0].id)
    assert pydicom.dcmread(BytesIO(data)).file_meta.TransferSyntaxUID == SYNTAXES[syntax]


def test_a_film_is_on_the_disk_before_it_is_acknowledged(
    reader: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reader()
    here.queue.counts()
    seen = []
    session = Store.session

    def watched(store: Store, doing: str) -> Any:
        seen.append((doing, len(list((tmp_path / "var" / "queue").glob("*.film")))))
        return session(store, doing)

    with associated(here) as association:
        monkeypatch.setattr(Store, "session", watched)
        assert association.send_c_store(pydicom.dcmread(BytesIO(numbered(1)))).Status == 0
    assert [doing for doing, _ in seen] == ["write down what was received"]
    assert len(list((tmp_path / "var" / "queue").glob("*.film"))) == 1


def test_the_same_film_sent_twice_is_one_film(reader: Make) -> None:
    here = reader()
    film = pydicom.dcmread(BytesIO(numbered(1)))
    for _ in range(2):
        with associated(here) as association:
            assert [association.send_c_store(film).Status for _ in range(2)] == [0, 0]
    assert here.has(received=1)


def test_a_bad_object_gets_its_status_and_the_association_lives(reader: Make) -> None:
    here = reader()
    good = body_of(numbered(7))
    no_pixels = good[: good.index(b"\xe0\x7f\x10\x00")]
    with associated(here, CR) as association:
        refused = {
            "cut off": send_raw(association, good[: len(good) // 2]),
            "no pixels": send_raw(association, no_pixels),
            "nothing": send_raw(association, b"\0" * 64),
            "noise": send_raw(association, bytes(range(256)) * 64),
        }
        assert {answer.Status for answer in refused.values()} == {0xC000}
        assert refused["no pixels"].ErrorComment == "The file holds no image"
        wrong = send_raw(association, good, kind=STORAGE_CLASSES[1])
        assert wrong.Status == 0x0122
        assert send_raw(association, good).Status == 0
    assert here.has(received=1)


def test_an_object_that_is_too_large_is_refused_and_not_held(reader: Make) -> None:
    here = reader(max_bytes=200_000)
    large = body_of(numbered(1)) + bytes(3_000_000)
    with associated(here) as association:
        answer = send_raw(association, large)
        assert (answer.Status, answer.ErrorComment) == (0xA700, "The file is too large")
        assert send_raw(association, body_of(numbered(2))).Status == 0
    assert here.has(received=1)


def test_a_disk_that_is_full_is_out_of_resources(
    reader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reader()
    here.queue.counts()
    with associated(here) as association, monkeypatch.context() as patch:

        def full(_fd: int) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("pneumonia.records.queue_files.os.fsync", full)
        film = pydicom.dcmread(BytesIO(numbered(1)))
        assert association.send_c_store(film).Status == 0xA700
        patch.undo()
        assert association.send_c_store(film).Status == 0
    assert here.has(received=1)


def test_only_those_that_are_named_may_send(reader: Make) -> None:
    here = reader(peers=("ORTHANC", "CR ROOM 2"))
    with associated(here, calling="STRANGER") as association:
        assert association.is_rejected
    with associated(here, calling="CR ROOM 2", called="SOMEBODY") as association:
        assert association.is_rejected
    with associated(here, calling="CR ROOM 2") as association:
        assert association.is_established


def test_what_is_no_film_is_not_accepted_at_all(reader: Make) -> None:
    ct, report = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.33"
    with associated(reader(), CR, ct, report) as association:
        assert [str(c.abstract_syntax) for c in association.accepted_contexts] == [CR]
        assert len(association.rejected_contexts) == 2


def test_more_associations_than_allowed_are_rejected(reader: Make) -> None:
    here = reader(associations=1)
    with associated(here) as first, associated(here) as second:
        assert first.is_established
        assert second.is_rejected
        assert first.send_c_store(pydicom.dcmread(BytesIO(numbered(1)))).Status == 0


@pytest.mark.parametrize(
    "hello",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\0" + struct.pack(">L", 2**32 - 1) + bytes(70_000),
        b"\x04\0" + struct.pack(">L", 100) + bytes(100),
        b"\x01\0\0\0\0\x04" + bytes(4),
    ],
    ids=["http", "a PDU of 4 GB", "data before an association", "an empty request"],
)
def test_what_is_no_dicom_ends_and_the_next_is_served(reader: Make, hello: bytes) -> None:
    here = reader()
    with socket.create_connection(("127.0.0.1", here.port), timeout=30) as raw:
        raw.sendall(hello)
        try:
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass
    with associated(here) as association:
        assert association.is_established


@pytest.mark.parametrize("syntax", ["explicit", "jpeg-2000", "rle"])
def test_hostile_films_over_c_store(reader: Make, syntax: str) -> None:
    """Cut off anywhere, and damaged: each has its answer, and the association lives."""
    here = reader()
    body = body_of(FILMS[syntax])
    draw = np.random.default_rng(11)
    with associated(here, CR, syntax=SYNTAXES[syntax]) as association:
        for length in np.linspace(2, len(body) - 1, 25).astype(int):
            assert send_raw(association, body[:length]).Status in (0x0000, 0xC000, 0xA700)
        for _ in range(25):
            damaged = bytearray(body)
            for at in draw.integers(0, len(body), 8):
                damaged[at] = draw.integers(0, 256)
            assert send_raw(association, bytes(damaged)).Status in (0x0000, 0xC000, 0xA700)
        assert association.is_established
    while here.worker.read_some():
        pass
    assert not here.states().get("received")
    for item in here.items():
        assert item.detail or item.state == "read"
        assert "Doe" not in item.detail


def test_our_own_result_that_comes_round_is_not_read(reader: Make) -> None:
    from pneumonia.dicom.results import make_results
    from tests.dicom.jane import FINDING

    here = reader()
    capture = make_results(numbered(1), FILM, FINDING).secondary_capture
    assert SHA256.encode() in capture
    with associated(here, STORAGE_CLASSES[3]) as association:
        assert association.send_c_store(pydicom.dcmread(BytesIO(capture))).Status == 0
    assert here.has()


def test_what_is_offered_is_what_the_decoder_reads() -> None:
    assert set(TRANSFER_SYNTAXES) >= set(SYNTAXES.values())
