"""Where one reading's time goes: every step by itself, in turns."""

import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.films import films
from benchmarks.measure import THREADS
from pneumonia.analysis.finding import Finding
from pneumonia.analysis.predictor import Predictor
from pneumonia.config import Settings
from pneumonia.imaging import Limits, open_upload, preprocess
from pneumonia.imaging.display import encode_png, to_display
from pneumonia.presentation.describe import describe_finding
from pneumonia.readings import image_info
from pneumonia.records import Reading, Store


@dataclass(frozen=True, slots=True)
class Profile:
    """Median milliseconds of each stage of a reading, in its order."""

    title: str
    stages_ms: dict[str, float]

    def __str__(self) -> str:
        total = sum(self.stages_ms.values())
        lines = [f"  {n:<44} {ms:7.2f} ms {ms / total:6.1%}" for n, ms in self.stages_ms.items()]
        return "\n".join([f"  {self.title}", *lines, f"  {'together':<44} {total:7.2f} ms"])


def profile(settings: Settings, *, rounds: int = 30) -> Profile:
    """Raises NoModel, DamagedBundle."""
    folder = settings.models_dir / settings.model
    predictor = Predictor.load(folder, "cpu", THREADS, engine=settings.engine)
    kind, (jpeg,) = films(1)
    radiograph = open_upload(jpeg, Limits()).decode()
    side = predictor.card.preprocess.grid
    examined = predictor.examine([radiograph])
    (finding,) = predictor.read(examined)
    assert isinstance(finding, Finding)
    shown = to_display(radiograph.pixels)
    png = encode_png(shown)
    with tempfile.TemporaryDirectory() as folder_name:
        store = Store(f"sqlite:///{folder_name}/readings.sqlite3", Path(folder_name))

        def keep() -> None:
            reading = Reading(uuid.uuid4().hex, datetime.now(UTC), image_info(radiograph), finding)
            store.add(reading, png)

        resample_ms, examine_ms, *others = _medians(
            [
                lambda: preprocess.to_square(radiograph.pixels, side),
                lambda: predictor.examine([radiograph]),
                lambda: open_upload(jpeg, Limits()).decode(),
                lambda: predictor.read(examined),
                lambda: to_display(radiograph.pixels),
                lambda: encode_png(shown),
                keep,
                lambda: describe_finding(finding),
            ],
            rounds,
        )
        store.close()
    decode_ms, read_ms, display_ms, encode_ms, keep_ms, describe_ms = others
    return Profile(
        f"{predictor.engine.name}, one of the {kind}",
        {
            "decode the JPEG": decode_ms,
            "resample to the square": resample_ms,
            "find the lungs, judge the film": examine_ms - resample_ms,
            "crop, classifier, map": read_ms,
            "grey levels of a screen": display_ms,
            "encode as PNG": encode_ms,
            "write the PNG and the row": keep_ms,
            "describe in JSON": describe_ms,
        },
    )


def _medians(steps: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Median milliseconds of each, measured in turn."""
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(rounds + 3):
        for step, taken in zip(steps, times, strict=True):
            began = time.perf_counter()
            step()
            if turn >= 3:
                taken.append((time.perf_counter() - began) * 1000)
    return [median(taken) for taken in times]
