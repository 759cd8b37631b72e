"""A store in a folder of its own, and readings to keep in it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pneumonia.analysis.finding import (
    ActivationMap,
    EtiologyFinding,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    Quality,
)
from pneumonia.imaging.preprocess import Geometry
from pneumonia.records import ImageInfo, Reading, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'readings.sqlite3'}", tmp_path)
    yield store
    store.close()


@pytest.fixture
def make_reading() -> Callable[..., Reading]:
    def make(band: tuple[float, float] | None = (0.1 + 0.2, 0.7), **changes: object) -> Reading:
        values = np.random.default_rng(7).standard_normal((5, 7)).astype(np.float32)
        # Values that a decimal or a half-precision detour would not bring back.
        values[0, :4] = [1e-45, -0.0, np.float32(1) / 3, 3.4e38]
        finding = Finding(
            label=Label.INDETERMINATE,
            probability=0.1 + 0.2 + 1e-16,
            logit=-1 / 3,
            operating_point=OperatingPoint("balanced", 2 / 3, band),
            model=ModelRef("default", "ab" * 32),
            quality=Quality(
                True, ("The contrast is low.", 'Ümlaut, "quotes" and 1 > 0.'), inverted=True
            ),
            activation=ActivationMap(values, 0.1 + 0.7, Geometry(901, 700, (-3.5, 0, 904.25, 700))),
            outline=(((0.1, 0.2), (0.4, 0.2), (0.3333, 0.8)), ((0.6, 0.0), (1.0, 0.25), (0.7, 1))),
            etiology=EtiologyFinding.of(0.1 + 0.2),
        )
        image = ImageInfo("DICOM", 901, 700, "cd" * 32)
        created_at = datetime(2024, 2, 29, 23, 59, 59, 123457, tzinfo=UTC)
        fields = {
            "id": uuid.uuid4().hex,
            "created_at": created_at,
            "image": image,
            "finding": finding,
        }
        return Reading(**(fields | changes))  # type: ignore[arg-type]

    return make
