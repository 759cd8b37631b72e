"""Films decoded in other processes: the same pixels, the same refusals; and deaths are told."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pneumonia.decoding import bounds
from pneumonia.decoding import decoders as client
from pneumonia.decoding.decoders import Decoders
from pneumonia.decoding.messages import refusal
from pneumonia.errors import DecoderStopped, DecoderUnavailable, ImageError
from pneumonia.imaging import Limits, Radiograph, decode
from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.dicom_files import SYNTAXES, encode_dicom

PIXELS = synthetic_radiograph(3, opacity=True, size=(120, 100))
FILM = encode_png(PIXELS)
LIMITS = Limits(max_bytes=2**22, max_pixels=2_000_000)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    own = Decoders(LIMITS)
    yield own
    own.close()


def read(decoders: Decoders, data: bytes) -> Radiograph:
    with decoders.open(data) as upload:
        return upload.decode()


def children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in path.read_text().split()]


def template_of(decoders: Decoders) -> int:
    assert decoders._template is not None
    return decoders._template.pid


def eventually(holds: object, within_s: float = 20) -> None:
    until = time.monotonic() + within_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("syntax", ["png", *SYNTAXES])
def test_a_film_is_the_same_as_decoded_here(decoders: Decoders, syntax: str) -> None:
    grey = PIXELS if syntax in ("jpeg", "explicit") else PIXELS.astype(np.uint16) * 16
    bits = {} if grey.itemsize == 1 else {"BitsStored": 12}
    attributes = {"PatientAge": "007Y", "ViewPosition": "AP", **bits}
    data = FILM if syntax == "png" else encode_dicom(grey, syntax, **attributes)
    here, there = decode(data, LIMITS), read(decoders, data)
    np.testing.assert_array_equal(there.pixels, here.pixels)
    for field in ("format", "bits", "value_range", "sha256", "warnings", "facts"):
        assert getattr(there, field) == getattr(here, field)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", FILM[:500], b"\xff\xd8\xff", FILM[:8]])
def test_a_refusal_is_the_same_as_here(decoders: Decoders, data: bytes) -> None:
    with pytest.raises(ImageError) as here:
        decode(data, LIMITS)
    with pytest.raises(type(here.value)) as there:
        read(decoders, data)
    assert str(there.value) == str(here.value)
    read(decoders, FILM)


def test_the_study_comes_only_when_asked_for(decoders: Decoders) -> None:
    data = encode_dicom(PIXELS)
    for wanted in (False, True):
        with decoders.open(data, study=wanted) as upload:
            upload.decode()
        assert (b"Doe^Jane" in upload.study) is wanted


def test_one_decoder_serves_one_film_after_the_other(decoders: Decoders) -> None:
    read(decoders, FILM)
    before = children(template_of(decoders))
    for _ in range(5):
        read(decoders, FILM)
    assert children(template_of(decoders)) == before


def test_a_decoder_that_refused_is_replaced(decoders: Decoders) -> None:
    read(decoders, FILM)
    before = children(template_of(decoders))
    with pytest.raises(ImageError):
        read(decoders, FILM[:500])
    eventually(lambda: not set(before) <= set(children(template_of(decoders))))
    read(decoders, FILM)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(signal.SIGSEGV, "ended its decoder"), (signal.SIGXCPU, "longer"), (signal.SIGKILL, "memory")],
)
def test_a_death_is_told_and_the_next_film_is_read(
    decoders: Decoders, number: int, sentence: str
) -> None:
    with decoders.open(FILM) as upload:
        for child in children(template_of(decoders)):
            os.kill(child, number)
        with pytest.raises(DecoderStopped, match=sentence):
            upload.decode()
    assert read(decoders, FILM).width == 100


def test_a_hang_ends_in_time_and_with_the_decoder(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "WALL_S", 0.5)
    with decoders.open(FILM) as upload:
        stopped = children(template_of(decoders))
        for child in stopped:
            os.kill(child, signal.SIGSTOP)
        with pytest.raises(DecoderStopped, match="longer"):
            upload.decode()
    # Each is killed when its caller hangs up; the others' callers still might ask them.
    eventually(lambda: set(stopped) - set(children(template_of(decoders))))
    for child in children(template_of(decoders)):
        os.kill(child, signal.SIGCONT)
    monkeypatch.undo()
    read(decoders, FILM)


def test_a_template_that_died_is_started_anew_but_not_in_a_loop() -> None:
    own = Decoders(LIMITS)
    read(own, FILM)
    first = template_of(own)
    os.kill(first, signal.SIGKILL)
    own._started_at = time.monotonic()
    for channel in own._waiting:
        channel.close()
    own._waiting.clear()
    own._template.wait()  # type: ignore[union-attr]
    with pytest.raises(DecoderUnavailable):
        read(own, FILM)
    own._started_at = float("-inf")
    assert read(own, FILM).width == 100
    assert template_of(own) != first
    own.close()


def test_closing_ends_every_process() -> None:
    own = Decoders(LIMITS)
    read(own, FILM)
    processes = [template_of(own), *children(template_of(own))]
    own.close()
    eventually(lambda: not any(Path(f"/proc/{pid}/maps").exists() for pid in processes))


def test_films_of_many_threads_are_each_their_own(decoders: Decoders) -> None:
    films = [np.full((60, 50 + n), n, np.uint8) for n in range(12)]
    found: dict[int, Radiograph] = {}

    def work(n: int) -> None:
        found[n] = read(decoders, encode_png(films[n]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, film in enumerate(films):
        np.testing.assert_array_equal(np.rint(found[n].pixels * 255), film)
    eventually(lambda: len(children(template_of(decoders))) <= client.KEPT_WAITING)


@pytest.mark.parametrize(
    "answer",
    [
        b"\n",
        b"[" * 100_000 + b"\n",
        b"x" * 300_000,
        b'{"pixels": "many"}\n',
        b'{"code": "no_such_code", "detail": ""}\n',
        b'{"code": ["x"]}\n',
        b'{"radiograph": {"width": 10, "height": -1}, "pixels": 100}\n' * 2,
        b'{"radiograph": {"width": 1e9, "height": 1000000000}, "pixels": 100}\n',
        b'{"radiograph": {"width": 9, "height": 9}, "pixels": 1}\n',
    ],
)
def test_what_a_decoder_says_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    def pretend(own: Decoders) -> client.Channel:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        threading.Thread(target=_say, args=(theirs, answer)).start()
        memory = client.shared_memory.make(LIMITS)
        return client.Channel(ours, client.shared_memory.attach(memory, LIMITS))

    monkeypatch.setattr(Decoders, "_start_decoder", pretend)
    monkeypatch.setattr(bounds, "WALL_S", 5)
    with pytest.raises(DecoderStopped):
        read(Decoders(LIMITS), FILM)


def _say(theirs: socket.socket, answer: bytes) -> None:
    theirs.settimeout(5)
    try:
        theirs.recv(1000)
        theirs.sendall(answer)
        theirs.recv(1000)
        theirs.sendall(answer)
    except OSError:
        pass  # it was seen through


def test_every_refusal_can_be_told() -> None:
    error = refusal({"code": "damaged_image", "detail": "It is cut off."})
    assert (error.code, str(error)) == ("damaged_image", "It is cut off.")
