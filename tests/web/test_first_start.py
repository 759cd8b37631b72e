"""The first start of the real server: with accounts, and in the local mode."""

import re
import urllib.parse
from pathlib import Path

import pytest

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from tests.serving import start, stop


def test_a_server_with_accounts_prints_a_link_that_works(tiny_bundle: Path, tmp_path: Path) -> None:
    server = start(tiny_bundle, tmp_path / "var", PNEUMONIA_ACCOUNTS="required")
    try:
        server.wait("/healthz", 200)
        status, headers, _ = server.ask("GET", "/")
        assert (status, headers["Location"]) == (303, "/login?next=/")
        status, headers, _ = server.send(b"no film")
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="pneumonia"')
    finally:
        output = stop(server)
    found = re.search(r"make the first one: (http://localhost:\d+/setup\?key=\S+)", output)
    assert found, output
    link = urllib.parse.urlsplit(found[1])
    assert link.port == server.port
    again = start(tiny_bundle, tmp_path / "var", PNEUMONIA_ACCOUNTS="required")
    try:
        again.wait("/healthz", 200)
        old = again.ask("GET", f"{link.path}?{link.query}")
        assert old[0] == 410  # the second start has printed another one
    finally:
        output = stop(again)
    assert link.query.partition("=")[2] not in output  # the access log leaves the query out
    assert "make the first one: " in output


def test_the_local_mode_does_not_start_where_others_could_reach_it(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    server = start(tiny_bundle, tmp_path / "var", HOST="0.0.0.0")
    try:
        assert server.process.wait(timeout=120) == 1
    finally:
        server.process.kill()
    output = server.log.read_text()
    assert output.startswith("PNEUMONIA_ACCOUNTS is local, which lets in whoever sits at this")
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"])
def test_the_local_mode_listens_on_loopback(host: str) -> None:
    Settings(host=host).check_served()


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "0.0.0.0"},
        {"host": ""},
        {"host": "::"},
        {"host": "192.168.1.5"},
        {"host": "localhost.example"},
        {"proxies": 1},
    ],
    ids=str,
)
def test_the_local_mode_goes_with_nothing_else(changes: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=r"Set PNEUMONIA_ACCOUNTS=required, or leave both"):
        Settings(**changes).check_served()  # type: ignore[arg-type]
    Settings(accounts="required", **changes).check_served()  # type: ignore[arg-type]


def test_another_word_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"^PNEUMONIA_ACCOUNTS is 'none'; it must be one of lo"):
        Settings(accounts="none")
