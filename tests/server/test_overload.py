"""More uploads than can be answered in time: refused early, and nothing is done with them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.serving import Server, start, stop

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def film() -> bytes:
    return encode_png(synthetic_radiograph(3, opacity=True, size=(1300, 1200)))


def send_at_once(server: Server, film: bytes, count: int) -> list[Answer]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(server.send, [film] * count))


def check_refusals(server: Server, answers: list[Answer]) -> None:
    """Some are read and kept, some refused, with what a client needs; of these nothing is kept."""
    refused = [answer for answer in answers if answer[0] == 503]
    assert {answer[0] for answer in answers} == {201, 503}
    for _, headers, body in refused:
        assert headers["Retry-After"] == "2"
        assert json.loads(body)["code"] == "overloaded"
    assert len(list(server.data_dir.glob("films/*/*"))) == len(answers) - len(refused)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"PNEUMONIA_UPLOADS_AT_ONCE": "2"}, id="the most that is set"),
        pytest.param(
            {
                "PNEUMONIA_UPLOADS_AT_ONCE": "200",
                "PNEUMONIA_LONGEST_WAIT_S": "1",
                "GUNICORN_CMD_ARGS": "--threads 1",
            },
            id="let in, and no thread in time",
        ),
    ],
)
def test_uploads_that_would_wait_too_long_are_refused(
    tiny_bundle: Path, tmp_path: Path, film: bytes, settings: dict[str, str]
) -> None:
    server = start(tiny_bundle, tmp_path / "var", **settings)
    try:
        server.wait("/readyz", 200)
        check_refusals(server, send_at_once(server, film, 64))
        until = time.monotonic() + 60
        while server.send(film)[0] != 201:  # what was counted is given back
            assert time.monotonic() < until
        assert "Traceback" not in stop(server)
    finally:
        server.process.kill()
