"""The link of the first start: it makes the first administrator, once."""

import contextlib
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from pneumonia.errors import LinkInvalid
from pneumonia.records.user import Role
from pneumonia.web.first_start import announce, set_up_address
from pneumonia.web.services import services
from tests.people import (
    NEW,
    Ear,
    actions,
    add_person,
    csrf,
    later,
    post,
)
from tests.running import settings_for


def first_link(clinic: Flask) -> str:
    ear = Ear()
    announce(services(clinic), ear)  # type: ignore[arg-type]
    found = re.search(r"(/setup\?key=\S+)$", ear.heard[0])
    assert found
    return found[1]


def test_the_first_start_prints_a_link_that_makes_the_administrator_once(
    clinic: Flask, problem: Any
) -> None:
    link = first_link(clinic)
    client = clinic.test_client()
    assert "no account here yet" in client.get("/login").get_data(as_text=True)
    answer = post(client, link, name="Ada", password=NEW, again=NEW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/audit").status_code == 200
    assert [(u.name, u.role) for u in services(clinic).accounts.users.all()] == [
        ("ada", Role.ADMINISTRATOR)
    ]
    used = clinic.test_client().get(link, headers={"Accept": "application/json"})
    problem(used, 410, "link_invalid")
    ear = Ear()
    announce(services(clinic), ear)  # type: ignore[arg-type]
    assert ear.heard == []
    assert actions(clinic) == ["settings", "link given", "user added", "log-in"]


def test_a_later_start_makes_the_first_link_void(clinic: Flask) -> None:
    first, second = first_link(clinic), first_link(clinic)
    assert clinic.test_client().get(first).status_code == 410
    assert clinic.test_client().get(second).status_code == 200


def test_a_link_is_kept_as_a_digest_and_ends(
    clinic: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = first_link(clinic)
    secret = link.partition("=")[2]
    for file in (tmp_path / "var").glob("pneumonia.sqlite3*"):
        assert secret.encode() not in file.read_bytes()
    later(monkeypatch, timedelta(hours=23, minutes=59))
    assert clinic.test_client().get(link).status_code == 200
    later(monkeypatch, timedelta(hours=24, minutes=1))
    assert clinic.test_client().get(link).status_code == 410


def test_a_link_of_the_first_start_is_void_once_there_is_an_account(clinic: Flask) -> None:
    link = first_link(clinic)
    client = clinic.test_client()
    token = csrf(client, link)
    add_person(clinic, "bob")
    fields = {"csrf_token": token, "name": "eve", "password": NEW, "again": NEW}
    assert client.post(link, data=fields).status_code == 410
    assert client.get(link).status_code == 410
    assert [user.name for user in services(clinic).accounts.users.all()] == ["bob"]


def test_of_many_who_open_the_first_link_at_once_one_is_the_first(clinic: Flask) -> None:
    own = services(clinic).accounts
    link = own.first_link()
    assert link
    gate, made = threading.Barrier(6), []

    def redeem(name: str) -> None:
        gate.wait()
        with contextlib.suppress(LinkInvalid):
            made.append(own.redeem(link, name, NEW).name)

    threads = [threading.Thread(target=redeem, args=(f"user-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [user.name for user in own.users.all()] == made
    assert len(made) == 1


def test_the_local_mode_prints_no_link(make_app: Any) -> None:
    ear = Ear()
    announce(services(make_app(start=False)), ear)  # type: ignore[arg-type]
    assert ear.heard == []


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "http://localhost:8000/setup?key="),
        ({"host": "0.0.0.0"}, "http://localhost:8000/setup?key="),
        ({"host": "192.168.1.5", "port": 9000}, "http://192.168.1.5:9000/setup?key="),
        ({"trusted_hosts": ".a.example, b.example", "proxies": 1}, "https://b.example/setup?key="),
        ({"host": "2001:db8::1"}, "http://[2001:db8::1]:8000/setup?key="),
    ],
)
def test_the_link_leads_to_the_server(changes: dict[str, Any], start: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, tmp_path, accounts="required", **changes)
    assert set_up_address(settings, "x") == f"{start}x"
