"""The use case alone: no HTTP, a real store, an analyst that says what it is told to."""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.finding import (
    ActivationMap,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    Quality,
)
from pneumonia.errors import EmptyFile, ModelNotReady, Overloaded, ReadingNotFound, TooManyPixels
from pneumonia.imaging import Radiograph
from pneumonia.imaging.display import decode_png, encode_png
from pneumonia.imaging.preprocess import Geometry
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.readings import Readings, overlay, paints_map
from pneumonia.records import Reading, Store
from tests.running import decoders

RADIOGRAPH = synthetic_radiograph(3, opacity=True, size=(120, 100))


def finding(radiograph: Radiograph, label: Label = Label.PNEUMONIA) -> Finding:
    values = np.zeros((2, 2), np.float32)
    values[0, 0] = 5
    return Finding(
        label=label,
        probability=0.8,
        logit=1.4,
        operating_point=OperatingPoint("balanced", 0.5),
        model=ModelRef("told", "ab" * 32),
        quality=Quality(),
        activation=ActivationMap(
            values, 2.0, Geometry(radiograph.width, radiograph.height, (0, 0, 100, 120))
        ),
    )


class Analyst:
    """Says the label it was made with, or raises the error; remembers what it was shown."""

    def __init__(self, answer: Label | Exception = Label.PNEUMONIA) -> None:
        self.answer = answer
        self.shown: list[Radiograph] = []

    def analyse(self, radiograph: Radiograph) -> Finding:
        self.shown.append(radiograph)
        if isinstance(self.answer, Exception):
            raise self.answer
        return finding(radiograph, self.answer)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Analyst], Readings]:
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path)
    return lambda analyst: Readings(store, analyst, decoders(2**20, 20_000), 30)


def radiographs(folder: Path) -> list[Path]:
    return list(folder.glob("films/**/*.png"))


def test_submit_decodes_analyses_and_keeps(make: Callable, tmp_path: Path) -> None:
    analyst, data = Analyst(), encode_png(RADIOGRAPH)
    readings = make(analyst)
    reading = readings.submit(data)

    assert np.array_equal(np.rint(analyst.shown[0].pixels * 255).astype(np.uint8), RADIOGRAPH)
    assert (reading.image.width, reading.image.height) == (100, 120)
    assert reading.image.sha256 == hashlib.sha256(data).hexdigest()
    assert datetime.now(UTC) - reading.created_at < timedelta(minutes=1)
    assert np.array_equal(decode_png(readings.radiograph_png(reading.id)), RADIOGRAPH)
    again = readings.get(reading.id)
    assert (again.id, again.created_at, again.image) == (
        reading.id,
        reading.created_at,
        reading.image,
    )
    assert [path.stem for path in radiographs(tmp_path)] == [reading.id]


def test_a_radiograph_that_came_inverted_is_kept_as_it_was_read(make: Callable) -> None:
    class Turning(Analyst):
        def analyse(self, radiograph: Radiograph) -> Finding:
            return replace(super().analyse(radiograph), quality=Quality(inverted=True))

    readings = make(Turning())
    data = encode_png(255 - RADIOGRAPH)
    reading = readings.submit(data)
    assert np.array_equal(decode_png(readings.radiograph_png(reading.id)), RADIOGRAPH)
    assert reading.image.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("error", [ModelNotReady("Wait."), Overloaded("Later.")])
def test_what_was_not_analysed_is_not_kept(
    make: Callable, tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error)):
        make(Analyst(error)).submit(encode_png(RADIOGRAPH))
    assert radiographs(tmp_path) == []


def test_what_is_refused_is_never_shown_to_the_analyst(make: Callable, tmp_path: Path) -> None:
    analyst = Analyst()
    readings = make(analyst)
    with pytest.raises(EmptyFile):
        readings.submit(b"")
    with pytest.raises(TooManyPixels):
        readings.submit(encode_png(synthetic_radiograph(1, opacity=False, size=(200, 200))))
    assert analyst.shown == []
    assert radiographs(tmp_path) == []


def test_the_overlay_paints_where_the_evidence_is_and_nowhere_else(make: Callable) -> None:
    readings = make(Analyst())
    reading = readings.submit(encode_png(RADIOGRAPH))
    picture = decode_png(readings.overlay_png(reading.id, 1.0))
    assert picture.shape == (120, 100, 3)
    grey = np.repeat(RADIOGRAPH[..., None], 3, axis=2)
    changed = np.any(picture != grey, axis=2)
    assert changed[:30, :25].all()  # the quarter of the first cell, at full heat
    assert not changed[90:, 75:].any()  # the opposite corner


@pytest.mark.parametrize(
    ("label", "painted"),
    [(Label.NORMAL, False), (Label.PNEUMONIA, True), (Label.INDETERMINATE, True)],
)
def test_a_normal_radiograph_is_never_painted(make: Callable, label: Label, painted: bool) -> None:
    readings = make(Analyst(label))
    reading = readings.submit(encode_png(RADIOGRAPH))
    assert paints_map(reading.finding) is painted
    is_radiograph = readings.overlay_png(reading.id, 1.0) == readings.radiograph_png(reading.id)
    assert is_radiograph is not painted
    assert (overlay(RADIOGRAPH, reading.finding, 1.0) is RADIOGRAPH) is not painted


def test_evidence_against_pneumonia_is_not_painted(make: Callable) -> None:
    reading = make(Analyst()).submit(encode_png(RADIOGRAPH))
    activation = reading.finding.activation
    against = replace(
        reading.finding, activation=replace(activation, values=-np.abs(activation.values))
    )
    assert np.array_equal(
        overlay(RADIOGRAPH, against, 1.0), np.repeat(RADIOGRAPH[..., None], 3, axis=2)
    )


def test_delete_takes_everything(make: Callable, tmp_path: Path) -> None:
    readings = make(Analyst())
    reading = readings.submit(encode_png(RADIOGRAPH))
    readings.delete(reading.id)
    assert radiographs(tmp_path) == []
    for ask in (readings.get, readings.radiograph_png, readings.delete):
        with pytest.raises(ReadingNotFound):
            ask(reading.id)
    with pytest.raises(ReadingNotFound):
        readings.overlay_png(reading.id, 0.5)


class Together(Analyst):
    """Goes on when so many films are in work at once, and fails where they never are.

    Counts the most that ever were: more have time to come in.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(count, timeout=60)
        self.lock, self.inside, self.most = threading.Lock(), 0, 0

    def analyse(self, radiograph: Radiograph) -> Finding:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait()
        time.sleep(0.05)
        with self.lock:
            self.inside -= 1
        return super().analyse(radiograph)


def submit_at_once(analyst: Analyst, folder: Path, count: int) -> list[Reading]:
    readings = Readings(
        Store(f"sqlite:///{folder / 'x.sqlite3'}", folder),
        analyst,
        decoders(50 * 2**20, 40_000_000),
        60,
    )
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(readings.submit, [encode_png(RADIOGRAPH)] * count))


def test_large_radiographs_take_turns_from_decoding_to_keeping(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pneumonia.readings.SMALL_PIXELS", RADIOGRAPH.size - 1)
    monkeypatch.setattr("pneumonia.readings.PIXELS_AT_ONCE", 3 * RADIOGRAPH.size)
    analyst = Together(3)
    found = submit_at_once(analyst, tmp_path, 9)
    assert len({one.id for one in found}) == 9
    assert analyst.most == 3


def test_small_radiographs_do_not_wait_for_large_ones(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pneumonia.readings.SMALL_PIXELS", RADIOGRAPH.size)
    monkeypatch.setattr("pneumonia.readings.PIXELS_AT_ONCE", 1)
    submit_at_once(Together(6), tmp_path, 6)


def test_maps_of_large_radiographs_are_painted_within_the_same_bound(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pneumonia.readings.SMALL_PIXELS", 0)
    monkeypatch.setattr("pneumonia.readings.PIXELS_AT_ONCE", RADIOGRAPH.size)
    store = Store(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path)
    may_end, has_begun = threading.Event(), threading.Event()

    class Held(Analyst):
        def analyse(self, radiograph: Radiograph) -> Finding:
            if self.shown:
                has_begun.set()
                assert may_end.wait(30)
            return super().analyse(radiograph)

    readings = Readings(store, Held(), decoders(50 * 2**20, 40_000_000), 0.1)
    first = readings.submit(encode_png(RADIOGRAPH))
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(readings.submit, encode_png(RADIOGRAPH))
        assert has_begun.wait(30)
        with pytest.raises(Overloaded, match=r"no room for this one within 0\.1 seconds"):
            readings.overlay_png(first.id, 0.5)
        with pytest.raises(Overloaded):
            readings.submit(encode_png(RADIOGRAPH))
        may_end.set()
        assert second.result(30).id != first.id
    assert readings.overlay_png(first.id, 0.5).startswith(b"\x89PNG")


def test_a_thumbnail_is_made_once(
    make: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    readings = make(Analyst())
    kept = readings.submit(encode_png(RADIOGRAPH))
    first = readings.thumbnail_png(kept.id)
    monkeypatch.setattr("pneumonia.readings.to_thumbnail", None)  # nobody is to call it again
    assert readings.thumbnail_png(kept.id) == first
    assert decode_png(first).shape == (120, 100)
    readings.delete(kept.id)
    assert [path for path in tmp_path.glob("films/**/*") if path.is_file()] == []
