"""A network that hangs in the real server: the process is replaced, and goes on."""

import json
from pathlib import Path

import pytest

from pneumonia.analysis.batcher import MOST_HUNG
from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.serving import ends, start, stop, worker_of

FILM = encode_png(synthetic_radiograph(11, opacity=True, size=(300, 260)))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_the_worker_is_replaced_and_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    server = start(tiny_bundle, tmp_path / "var", application="tests.server.hanging_wsgi:app")
    try:
        server.wait("/readyz", 200)
        kept, worker = json.loads(server.send(FILM)[2]), worker_of(server)
        (tmp_path / "var" / "HANG").touch()
        for _ in range(MOST_HUNG):
            assert worker_of(server) == worker
            status, headers, body = server.send(FILM)
            assert (status, json.loads(body)["code"]) == (503, "analysis_timeout")
            assert headers["Retry-After"] == "10"
        (tmp_path / "var" / "HANG").unlink()
        assert ends(worker, within_s=30)
        server.wait("/readyz", 200)
        assert server.send(FILM)[0] == 201
        assert json.loads(server.ask("GET", kept["links"]["self"])[2]) == kept
        assert "hang" in stop(server)
    finally:
        server.process.kill()
