"""Hostile files in their hundreds, or by ``make hostile`` thousands, through the real server."""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.hostile.corpus import FAMILIES, corpus
from tests.serving import Server, start, stop, worker_of

COUNT = int(os.environ.get("HOSTILE", "120"))
SEED = int(os.environ.get("HOSTILE_SEED", "11"))
LONGEST_S = 30
"""Of one answer, on a machine with other work; what it was is printed."""

MAX_GROWTH_BYTES = 50 * 2**20


def resident_bytes(process: int) -> int:
    """Of a process and all that came of it; a page that several share is counted once (PSS)."""
    path = Path(f"/proc/{process}")
    try:
        lines = (path / "smaps_rollup").read_text().splitlines()
        threads = list((path / "task").iterdir())
        below = [int(one) for t in threads for one in (t / "children").read_text().split()]
    except OSError:  # a decoder that has just ended
        return 0
    own = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) * 1024
    return own + sum(resident_bytes(child) for child in below)


def send(server: Server, what: str, data: bytes) -> tuple[int, str, float]:
    began = time.monotonic()
    status, _, body = server.send(data)  # raises where the connection is reset
    took_s = time.monotonic() - began
    answer = json.loads(body)
    if status == 201:
        return status, "", took_s
    assert 400 <= status < 500, (what, status, answer)
    assert answer["status"] == status
    assert len(answer["detail"]) > 30, what
    assert not {"Doe^Jane", "ID-4711"} & set(answer["detail"].split()), what
    return status, answer["code"], took_s


@pytest.mark.timeout(300 + COUNT)
def test_each_is_answered_and_leaves_nothing_behind(tiny_bundle: Path, tmp_path: Path) -> None:
    film = encode_png(synthetic_radiograph(5, opacity=True, size=(256, 224)))
    server = start(tiny_bundle, tmp_path / "var", PNEUMONIA_RATE_LIMIT="")
    try:
        server.wait("/readyz", 200)
        for what, data in [("film", film)] * 20 + list(corpus(3 * len(FAMILIES), SEED + 1)):
            send(server, what, data)
        worker = worker_of(server)
        before = resident_bytes(worker)
        assert before > MAX_GROWTH_BYTES, "it does not see the server"
        slowest, codes = (0.0, ""), Counter[str]()
        for what, data in corpus(COUNT, SEED):
            _, code, took_s = send(server, what, data)
            codes[code or "read"] += 1
            slowest = max(slowest, (took_s, what))
        assert send(server, "film", film)[0] == 201
        assert worker_of(server) == worker, "the worker was replaced"
        grown = resident_bytes(worker) - before
        print(f"\n{COUNT} files, seed {SEED}: {dict(codes.most_common())}")
        print(f"longest answer {slowest[0]:.2f} s ({slowest[1]})")
        print(f"resident {before / 2**20:.0f} MB before, {grown / 2**20:+.1f} MB after")
        assert slowest[0] < LONGEST_S
        assert grown < MAX_GROWTH_BYTES
        assert len(codes) >= 7
    finally:
        log = stop(server)
    assert "Traceback" not in log
