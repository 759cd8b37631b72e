"""Who is let in: hosts, origins, proxies. Every rule of the app is walked, and what is not one."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.server import OVERLOADED
from tests.people import add_person, give_token

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
CROSS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:81"},
    {"Origin": "null"},
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
]


def paths(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        yield re.sub(r"<[^>]+>", "0" * 32, rule.rule)
    yield "/nowhere"


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_another_site_changes_nothing_at_any_address(
    app: Flask, headers: dict[str, str], problem: Any
) -> None:
    client = app.test_client()
    walked = list(paths(app))
    assert len(walked) > 10
    for path in walked:
        for method in UNSAFE:
            ask = {"Accept": "application/json"} | headers
            problem(client.open(path, method=method, headers=ask), 403, "cross_origin")


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_programs_and_own_pages_pass(
    app: Flask, headers: dict[str, str], send: Any, radiograph_png: bytes
) -> None:
    client = app.test_client()
    for path in paths(app):
        for method in UNSAFE:
            assert client.open(path, method=method, headers=headers).status_code != 403
    assert send(client, radiograph_png).status_code == 201


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_looking_is_no_change(app: Flask, headers: dict[str, str]) -> None:
    assert app.test_client().get("/model", headers=headers).status_code == 200


BAD_HOSTS = [
    "a..b",
    "a" * 255,
    ".".join(["a" * 63] * 5),
    "evil.example",
    "localhost.evil.example",
    "localhost:80:80",
    "localhost@evil.example",
    "127.0.0.2",
    "[::1",
    "[::2]",
    "lo calhost",
    "löcalhost",
    "",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_another_host_is_refused_at_every_address(app: Flask, host: str, problem: Any) -> None:
    client = app.test_client()
    for path in (*paths(app), "/static/css/base.css"):
        for method in ("GET", "POST"):
            answer = client.open(
                path,
                method=method,
                headers={"Accept": "application/json"},
                environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")},
            )
            if method == "GET":
                sentence = problem(answer, 400, "untrusted_host")
                assert "PNEUMONIA_TRUSTED_HOSTS" in sentence
            assert answer.status_code == 400
            assert "Location" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:8000"])
def test_this_computers_own_names_are_trusted(app: Flask, host: str) -> None:
    assert app.test_client().get("/healthz", headers={"Host": host}).status_code == 200


def test_names_are_added_by_settings(make_app: Any) -> None:
    app = make_app(
        start=False,
        accounts="required",
        host="192.168.1.5",
        trusted_hosts="Reader.clinic.example, .ward.example",
    )
    for host, status in {
        "192.168.1.5:8000": 200,
        "reader.clinic.example": 200,
        "a.ward.example": 200,
        "a.b.ward.example": 200,
        "a..ward.example": 400,
        "ward.example.evil.example": 400,
        "xreader.clinic.example": 400,
    }.items():
        answer = app.test_client().get("/healthz", headers={"Host": host})
        assert answer.status_code == status, host


@pytest.mark.parametrize(
    "bad", [{"trusted_hosts": "http://x"}, {"trusted_hosts": "x:80"}, {"trusted_proxies": "proxy"}]
)
def test_what_is_no_name_or_address_is_a_bad_setting(bad: dict[str, str]) -> None:
    settings = Settings(**bad)  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match=f"PNEUMONIA_{next(iter(bad)).upper()}"):
        _ = settings.hosts, settings.proxy_networks


def ask_as(client: Any, token: dict[str, str], peer: str, claimed: str) -> int:
    status: int = client.post(
        "/api/v1/readings",
        headers=token | {"X-Forwarded-For": claimed},
        environ_overrides={"REMOTE_ADDR": peer},
    ).status_code
    return status


def test_only_a_proxys_address_may_say_who_asks(make_app: Any) -> None:
    app = make_app(
        start=False,
        accounts="required",
        proxies=1,
        rate_limit="3 per minute",
        trusted_proxies="10.0.0.0/24",
    )
    client, token = app.test_client(), give_token(app, add_person(app, "ada"))
    direct = [ask_as(client, token, "192.168.1.9", f"8.8.8.{n}") for n in range(5)]
    assert direct == [400] * 3 + [429] * 2
    through = [ask_as(client, token, "10.0.0.7", f"8.8.8.{n}") for n in range(5)]
    assert through == [400] * 5
    same = [ask_as(client, token, "::ffff:10.0.0.7", "8.8.4.4") for n in range(5)]
    assert same == [400] * 3 + [429] * 2


def test_one_too_many_is_refused_before_it_is_looked_at(client: Any, problem: Any) -> None:

    for path in ("/api/v1/readings", "/healthz", "/nowhere"):
        answer = client.open(path, method="POST", environ_overrides={OVERLOADED: True}, json={})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    problem(
        client.post("/api/v1/readings", environ_overrides={OVERLOADED: True}), 503, "overloaded"
    )
