"""``python -m benchmarks.worklist [READINGS]``: how quick the list is where it is long.

A database of so many readings (100,000 unless said otherwise) is made in a temporary folder; each
question is then asked as the page asks it, the answer's readings built included.
"""

import random
import sys
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from sqlalchemy import insert

from pneumonia.analysis.finding import (
    ActivationMap,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    PopulationMatch,
    Quality,
)
from pneumonia.imaging.preprocess import Geometry
from pneumonia.records import ImageInfo, Query, Reading, Sort, Store, Verdict, Worklist
from pneumonia.records.rows import to_row
from pneumonia.records.tables import ReadingRow

READINGS = 100_000
ROUNDS = 15
CHUNK = 5_000
LIMIT_S = 0.2
_START = datetime(2026, 1, 1, tzinfo=UTC)
_POINT = OperatingPoint("balanced", 0.4, (0.3, 0.5))
# As many corners as the lungs of a film have, so that the rows are as large as real ones.
_LUNG = tuple((i / 60, (i * 7 % 60) / 60) for i in range(60))


def make_reading(number: int, draw: random.Random) -> Reading:
    probability = draw.betavariate(0.4, 0.4)
    finding = Finding(
        label=Label(_POINT.label(probability)),
        probability=probability,
        logit=0.0,
        operating_point=_POINT,
        model=ModelRef(draw.choice(("default", "older")), "ab" * 32),
        quality=Quality(),
        activation=ActivationMap(
            np.zeros((16, 16), np.float32), 1.0, Geometry(2000, 2500, (0, 0, 2000, 2500))
        ),
        outline=(_LUNG, _LUNG),
        population_match=PopulationMatch(draw.choice(("yes", "yes", "unknown", "no"))),
    )
    return Reading(
        id=uuid.UUID(int=draw.getrandbits(128)).hex,
        created_at=_START + timedelta(minutes=number),
        image=ImageInfo("DICOM", 2000, 2500, "cd" * 32),
        finding=finding,
        reference=f"ACC-{draw.randrange(10**7):07d}" if draw.random() < 0.8 else "",
    )


def fill(store: Store, readings: int) -> None:
    """Put the readings into the database, their films left out."""
    draw = random.Random(7)
    names = [column.key for column in ReadingRow.__mapper__.column_attrs]
    for start in range(0, readings, CHUNK):
        rows = (to_row(make_reading(n, draw)) for n in range(start, min(start + CHUNK, readings)))
        values = [{name: getattr(row, name) for name in names} for row in rows]
        with store.session("fill the database") as session:
            session.execute(insert(ReadingRow), values)
            session.commit()


def time_s(ask: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        ask()
        times.append(perf_counter() - began)
    return median(times)


def deep_page(worklist: Worklist, query: Query, readings: int) -> Callable[[], object]:
    """The page at the list's far end, by its place."""
    reverse = {Sort.NEWEST: Sort.OLDEST, Sort.HIGHEST: Sort.LOWEST}[query.sort]
    far = worklist.page(Query(sort=reverse), limit=min(200, readings)).next
    return lambda: worklist.page(query, after=far)


def questions(worklist: Worklist, readings: int) -> dict[str, Callable[[], object]]:
    newest, highest = Query(), Query(sort=Sort.HIGHEST)
    narrow = Query(
        verdicts=(Verdict.NORMAL,),
        match=PopulationMatch.UNKNOWN,
        model="older",
        sort=Sort.UNCERTAIN,
    )
    some = worklist.page(newest, limit=1).readings[0]
    asked = {
        "newest": newest,
        "highest probability": highest,
        "least certain": Query(sort=Sort.UNCERTAIN),
        "outside the population": Query(verdicts=(Verdict.OUTSIDE,)),
        "three filters, least certain": narrow,
        "reference, many": Query(reference="acc-00"),
        "reference, none": Query(reference="nobody"),
        "one week": Query(since=_START + timedelta(days=20), until=_START + timedelta(days=27)),
    }
    return (
        {f"page: {name}": (lambda q=query: worklist.page(q)) for name, query in asked.items()}
        | {
            "page: far end by time": deep_page(worklist, newest, readings),
            "page: far end by probability": deep_page(worklist, highest, readings),
        }
        | {
            "count: all": lambda: worklist.count(newest),
            "count: three filters": lambda: worklist.count(narrow),
            "count: reference": lambda: worklist.count(Query(reference="acc-00")),
            "neighbours of a reading": lambda: worklist.neighbours(some, narrow),
            "models": worklist.models,
        }
    )


def main(readings: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'readings.sqlite3'}", Path(folder))
        fill(store, readings)
        size = (Path(folder) / "readings.sqlite3").stat().st_size
        print(f"{readings} readings, {size / 2**20:.0f} MiB; median of {ROUNDS}")
        slowest = 0.0
        for name, ask in questions(Worklist(store), readings).items():
            took_s = time_s(ask)
            slowest = max(slowest, took_s)
            print(f"  {name:<32} {took_s * 1000:8.1f} ms", flush=True)
        store.close()
    verdict = "within" if slowest <= LIMIT_S else "ABOVE"
    print(f"  slowest {slowest * 1000:.1f} ms ({verdict} the limit of {LIMIT_S * 1000:g} ms)")
    return int(slowest > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else READINGS))
