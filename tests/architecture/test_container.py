"""The image cannot be built here, so each thing it relies on is checked by itself."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()


def copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_what_is_copied_exists_and_is_let_in() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    assert [source for source in copied() if f"!{source}" not in ignore] == []


def test_every_package_the_app_needs_is_copied() -> None:
    assert {"app.py", "wsgi.py", "gunicorn.conf.py", "pneumonia/", "train/"} <= set(copied())
    assert {"templates/", "translations/", "static/", "models/"} <= set(copied())


def test_the_image_has_nothing_of_research_alone() -> None:
    ours, development = (
        {re.split(r"[<>=]", line)[0] for line in (ROOT / name).read_text().splitlines()}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert "optuna" in development - ours
    assert "requirements-dev.lock" not in DOCKERFILE


def test_the_image_for_a_cpu_serves_networks_that_its_build_converted() -> None:
    assert "FROM base AS served-on-cpu\n" in DOCKERFILE
    assert "\nCOPY --from=converted /engines/ engines/\n" in DOCKERFILE
    assert "PNEUMONIA_ENGINES_DIR=/app/engines" in DOCKERFILE
    (code,) = re.findall(r'^RUN python -c "(.+?)"$', DOCKERFILE, flags=re.MULTILINE | re.DOTALL)
    compile(code.replace("\\\n", ""), "Dockerfile", "exec")


def test_the_process_is_not_root() -> None:
    after = DOCKERFILE.partition("\nUSER ")[2]
    assert after.startswith("10001\n")
    assert "\nRUN " not in after


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server on a free port that answers every GET with the status, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def image_check() -> list[str]:
    match = re.search(r"HEALTHCHECK [^[]*(\[.+\])", DOCKERFILE)
    assert match
    command: list[str] = json.loads(match.group(1))
    return command


def compose_check() -> list[str]:
    match = re.search(r"test:\n((?: {6}- .+\n)+)", COMPOSE)
    assert match
    kind, *command = [line.strip()[2:] for line in match.group(1).splitlines()]
    assert kind == "CMD"
    return command


@pytest.mark.parametrize("check", [image_check, compose_check])
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_follows_readyz(check: object, status: int, healthy: bool) -> None:
    assert callable(check)
    python, *arguments = check()
    assert python == "python"
    with answering(status) as (port, asked):
        arguments = [argument.replace(":8000/", f":{port}/") for argument in arguments]
        result = subprocess.run(
            [sys.executable, *arguments], env={"PORT": str(port)}, capture_output=True
        )
    assert asked == ["/readyz"]
    assert (result.returncode == 0) is healthy
