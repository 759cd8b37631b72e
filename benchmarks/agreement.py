"""``python -m benchmarks.agreement [READINGS]``: how quick agreement and drift are worked out.

The database is that of the worklist's benchmark, 100,000 readings unless said otherwise, every
fourth of them reviewed.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sqlalchemy import text

from benchmarks.worklist import READINGS, fill, time_s
from pneumonia.monitoring.periods import Period
from pneumonia.presentation.agreement import Summary, summarise
from pneumonia.records import Store
from pneumonia.records.observed import find_reviewed, observe

LIMIT_S = 3.0
_REVIEW = """UPDATE readings SET outlier_distance = abs(random() % 1000) / 1000.0,
    opinion = CASE abs(random() % 8) WHEN 0 THEN 'pneumonia' WHEN 1 THEN 'no_pneumonia' END"""


def main(readings: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'readings.sqlite3'}", Path(folder))
        fill(store, readings)
        with store.session("review the readings") as session:
            session.execute(text(_REVIEW))
            session.commit()

        def page(period: Period) -> Summary:
            observed = observe(store, "default")
            return summarise(observed, np.ones(len(observed.films), np.bool_), period)

        print(f"{readings} readings, half of them by the model asked for")
        slowest = 0.0
        for name, ask in {
            "the readings as arrays": lambda: observe(store, "default"),
            "agreement and drift by month": lambda: page(Period.MONTH),
            "agreement and drift by week": lambda: page(Period.WEEK),
            "the reviewed readings": lambda: find_reviewed(store),
        }.items():
            took_s = time_s(ask)
            slowest = max(slowest, took_s)
            print(f"  {name:<32} {took_s * 1000:8.1f} ms", flush=True)
        store.close()
    print(
        f"  slowest {slowest:.2f} s ({'within' if slowest <= LIMIT_S else 'ABOVE'} {LIMIT_S:g} s)"
    )
    return int(slowest > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else READINGS))
