"""Users, and what the audit log tells of them and of readings, through the pages."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.records.audit import AuditQuery
from pneumonia.records.user import Permission, Role
from pneumonia.web.first_start import announce
from pneumonia.web.services import services
from tests.people import (
    NEW,
    Ear,
    actions,
    add_person,
    give_token,
    log_in,
    post,
    refused,
    shown,
)


def test_an_administrator_adds_a_user_who_chooses_the_password(
    clinic: Flask, ada: FlaskClient
) -> None:
    link = shown(post(ada, "/users", name="Bob", role="reader"))
    assert link.startswith("http://localhost/setup?key=")
    bob = clinic.test_client()
    assert log_in(bob, "bob", "") == 422
    path = link.removeprefix("http://localhost")
    assert post(bob, path, password=NEW, again=NEW).status_code == 303
    assert bob.get("/").status_code == 200
    assert bob.get("/users").status_code == 403
    assert clinic.test_client().get(path).status_code == 410
    assert log_in(clinic.test_client(), "bob", NEW) == 303


def test_a_disabled_user_is_out_at_once_and_can_come_back(clinic: Flask, ada: FlaskClient) -> None:
    bob = add_person(clinic, "bob")
    headers, client = give_token(clinic, bob, Permission.READ), clinic.test_client()
    log_in(client, "bob")
    post(ada, "/users/bob", page="/users", do="disable")
    assert client.get("/").status_code == 303
    assert clinic.test_client().get("/model", headers=headers).status_code == 401
    assert log_in(clinic.test_client(), "bob") == 403
    post(ada, "/users/bob", page="/users", do="enable")
    assert log_in(clinic.test_client(), "bob") == 303


def test_a_user_is_logged_out_everywhere_and_may_come_back(clinic: Flask, ada: FlaskClient) -> None:
    add_person(clinic, "bob")
    bob = clinic.test_client()
    assert log_in(bob, "bob") == 303
    assert post(ada, "/users/bob", page="/users", do="end").status_code == 303
    assert actions(clinic)[-1] == "user logged out"
    assert bob.get("/account").status_code == 303
    assert log_in(bob, "bob") == 303


def test_a_new_role_holds_from_the_next_request(clinic: Flask, ada: FlaskClient) -> None:
    add_person(clinic, "bob")
    client = clinic.test_client()
    log_in(client, "bob")
    assert client.get("/audit").status_code == 403
    post(ada, "/users/bob", page="/users", do="role", role="administrator")
    assert client.get("/audit").status_code == 200


@pytest.mark.parametrize("fields", [{"do": "disable"}, {"do": "role", "role": "reader"}])
def test_the_last_administrator_stays(
    clinic: Flask, ada: FlaskClient, fields: dict[str, str]
) -> None:
    answer = post(ada, "/users/ada", page="/users", **fields)
    assert answer.status_code == 409
    assert "Make another user administrator first" in answer.get_data(as_text=True)
    assert ada.get("/users").status_code == 200
    assert actions(clinic)[-1] == "log-in"  # what did not happen is not told either


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/users", {"name": "ada", "role": "reader"}, 409),
        ("/users", {"name": "two words", "role": "reader"}, 400),
        ("/users", {"name": "bob", "role": "king"}, 422),
        ("/users/nobody", {"do": "link"}, 404),
        ("/users/ada", {"do": "role", "role": "king"}, 400),
        ("/users/ada", {"do": "dance"}, 400),
    ],
)
def test_a_change_that_cannot_be_is_a_sentence(
    ada: FlaskClient, path: str, fields: dict[str, str], status: int
) -> None:
    assert post(ada, path, page="/users", **fields).status_code == status


def test_the_audit_page_filters_and_the_export_is_told(clinic: Flask, ada: FlaskClient) -> None:
    refused(clinic.test_client(), "ada", "a wrong password")
    page = ada.get("/audit?action=log-in failed").get_data(as_text=True)
    assert page.count('<td data-label="What">log-in failed</td>') == 1
    assert 'data-label="What">log-in<' not in page
    assert "No entry is like that" in ada.get("/audit?actor=zoe").get_data(as_text=True)
    assert ada.get("/audit?before=x").status_code == 400
    export = ada.get("/audit.jsonl")
    assert export.mimetype == "application/jsonl"
    assert '"action": "export"' in export.get_data(as_text=True).splitlines()[-1]


def test_what_is_looked_at_is_told_with_who_and_how(
    make_app: Any, send: Any, radiograph_png: bytes
) -> None:
    app = make_app(accounts="required")
    bob = add_person(app, "bob", Role.REVIEWER)
    program = app.test_client()
    program.environ_base["HTTP_AUTHORIZATION"] = give_token(app, bob)["Authorization"]
    links = send(program, radiograph_png).get_json()["links"]
    browser = app.test_client()
    log_in(browser, "bob")
    for name in ("page", "image", "overlay", "thumbnail", "self"):
        assert browser.get(links[name]).status_code == 200
    assert program.get(links["self"]).status_code == 200
    assert program.delete(links["self"]).status_code == 204
    told = [
        (e.actor, e.via, e.address, e.action)
        for e in reversed(services(app).audit.page(AuditQuery()))
        if e.reading_id
    ]
    assert told == [
        ("bob", "token a test", "127.0.0.1", "upload"),
        ("bob", "browser", "127.0.0.1", "view"),
        ("bob", "token a test", "127.0.0.1", "view"),
        ("bob", "token a test", "127.0.0.1", "delete"),
    ]
    assert services(app).audit.verify().fault == ""


def test_settings_are_told_when_they_changed_without_their_secrets(make_app: Any) -> None:
    for rate in ("9 per minute", "9 per minute", "7 per minute", "9 per minute"):
        app = make_app(start=False, rate_limit=rate, secret_key="very secret indeed")
        announce(services(app), Ear())  # type: ignore[arg-type]
    lines = "".join(services(app).audit.json_lines())
    assert actions(app) == ["settings"] * 3
    assert "7 per minute" in lines
    assert "very secret" not in lines


def test_a_reader_has_no_button_to_delete(make_app: Any, send: Any, radiograph_png: bytes) -> None:
    app = make_app(accounts="required")
    seen = {}
    for role in (Role.READER, Role.REVIEWER):
        person = add_person(app, role.value, role)
        program, browser = app.test_client(), app.test_client()
        program.environ_base["HTTP_AUTHORIZATION"] = give_token(app, person)["Authorization"]
        page = send(program, radiograph_png).get_json()["links"]["page"]
        log_in(browser, role.value)
        seen[role] = "Delete for good" in browser.get(page).get_data(as_text=True)
    assert seen == {Role.READER: False, Role.REVIEWER: True}


def test_without_a_database_nobody_is_taken_for_another_one(
    clinic: Flask, ada: FlaskClient, tmp_path: Path, problem: Any
) -> None:
    (tmp_path / "var" / "pneumonia.sqlite3").unlink()
    problem(ada.get("/", headers={"Accept": "application/json"}), 503, "storage_unavailable")
    page = ada.get("/")
    assert page.status_code == 503
    assert "cannot be stored at the moment" in page.get_data(as_text=True)
