"""Logging in and out, the first start, passwords, tokens: through the pages."""

import contextlib
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.accounts import accounts, passwords
from pneumonia.errors import LinkInvalid, WeakPassword
from pneumonia.records import ways_in
from pneumonia.records.audit import AuditQuery
from pneumonia.records.user import Permission, Role
from pneumonia.web.first_start import announce, set_up_address
from pneumonia.web.limits import FAILURES
from pneumonia.web.services import services
from tests.people import PASSWORD, add_person, csrf, give_token, log_in
from tests.running import settings_for

NEW = "seven quiet harbours, no boats"


# Not called ``app``: pytest-flask would push its context, and all requests would share one visitor.
@pytest.fixture
def clinic(make_app: Any) -> Flask:
    """An app with accounts; its model is not needed."""
    made: Flask = make_app(start=False, accounts="required")
    return made


@pytest.fixture
def ada(clinic: Flask) -> FlaskClient:
    """An administrator's browser."""
    add_person(clinic, "ada", Role.ADMINISTRATOR)
    client = clinic.test_client()
    assert log_in(client, "ada") == 303
    return client


def actions(clinic: Flask) -> list[str]:
    """What the audit log tells, the oldest first."""
    return [e.action for e in reversed(services(clinic).audit.page(AuditQuery()))]


def post(client: FlaskClient, path: str, page: str = "", **fields: object) -> Any:
    token = csrf(client, page or path)
    return client.post(path, data={"csrf_token": token} | fields)


def shown(answer: Any) -> str:
    """The secret that a page shows once."""
    found = re.search(r'class="secret">([^<]+)<', answer.get_data(as_text=True))
    assert found, answer.get_data(as_text=True)
    return found[1].replace("&amp;", "&")


# --- the first start ----------------------------------------------------------------------------


class Ear:
    """A log that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def warning(self, text: str, *values: object) -> None:
        self.heard.append(text % values)


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


# --- log-in -------------------------------------------------------------------------------------


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Move the clock of everything that ends."""
    moment = datetime.now(UTC) + by

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return moment

    for module in (ways_in, accounts):
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr("pneumonia.records.users.datetime", Clock)


def refused(client: FlaskClient, name: str, password: str) -> str:
    answer = post(client, "/login", name=name, password=password)
    assert answer.status_code == 403
    text: str = re.sub(r"value=\"[^\"]*\"", "", answer.get_data(as_text=True))
    return text


def test_a_refusal_tells_neither_what_was_wrong_nor_who_exists(clinic: Flask) -> None:
    people = services(clinic).accounts.users
    for name in ("ada", "bob", "eve"):
        add_person(clinic, name, Role.ADMINISTRATOR)
    people.disable("bob")
    people.note_failure("eve", 1, timedelta(hours=1))
    client = clinic.test_client()
    answers = {
        refused(client, "ada", "a wrong password"),
        refused(client, "nobody", PASSWORD),
        refused(client, "not a name!", PASSWORD),
        refused(client, "bob", PASSWORD),
        refused(client, "eve", PASSWORD),
    }
    assert len(answers) == 1
    assert "The name or the password is not right" in answers.pop()


def test_every_refusal_costs_one_verification(
    clinic: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(clinic, "ada")
    services(clinic).accounts.users.add("new", Role.READER)  # has chosen no password yet
    calls: list[str] = []
    verify = passwords.PasswordHasher.verify

    def count(hasher: Any, hash_: str, password: str) -> bool:
        calls.append(hash_)
        return bool(verify(hasher, hash_, password))

    monkeypatch.setattr(passwords.PasswordHasher, "verify", count)
    for name in ("ada", "new", "nobody", "not a name!"):
        refused(clinic.test_client(), name, "a wrong password")
    assert len(calls) == 4
    parameters = {call.split("$")[3] for call in calls}
    assert parameters == {"m=19456,t=2,p=1"}  # the same work, too


def test_an_unknown_name_is_not_kept(clinic: Flask) -> None:
    refused(clinic.test_client(), "hunter2-typed-in-the-wrong-field", "x")
    lines = "".join(services(clinic).audit.json_lines())
    assert '"log-in failed"' in lines
    assert "hunter2" not in lines


def test_an_account_is_closed_for_a_while_after_ten_failures(
    clinic: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(clinic, "ada")
    for n in range(accounts.LOCK_AFTER):
        client = clinic.test_client()
        client.environ_base["REMOTE_ADDR"] = f"10.0.0.{n}"
        refused(client, "ada", "a wrong password")
    for n in range(accounts.LOCK_AFTER):
        client.environ_base["REMOTE_ADDR"] = f"10.0.1.{n}"
        assert log_in(client, "ada") == 403
    assert actions(clinic).count("account locked") == 1
    later(monkeypatch, accounts.LOCK_FOR + timedelta(seconds=1))
    assert log_in(clinic.test_client(), "ada") == 303


def test_a_right_password_forgets_the_failures_before_it(clinic: Flask) -> None:
    add_person(clinic, "ada")
    for _ in range(accounts.LOCK_AFTER - 1):
        refused(clinic.test_client(), "ada", "a wrong password")
    assert log_in(clinic.test_client(), "ada") == 303
    assert services(clinic).accounts.users.get("ada").failures == 0


def test_an_address_that_fails_too_often_is_not_looked_at(
    clinic: Flask, problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(clinic, "ada")
    client = clinic.test_client()
    for n in range(FAILURES.amount):
        refused(client, f"name-{n}", "a wrong password")
    monkeypatch.setattr(passwords, "is_right", None)  # would fail if it were asked
    fields = {"csrf_token": csrf(client), "name": "ada", "password": PASSWORD}
    answer = client.post("/login", data=fields, headers={"Accept": "application/json"})
    problem(answer, 429, "too_many_attempts")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    monkeypatch.undo()
    elsewhere = clinic.test_client()
    elsewhere.environ_base["REMOTE_ADDR"] = "10.0.0.9"
    assert log_in(elsewhere, "ada") == 303


def test_a_password_kept_by_older_parameters_is_hashed_anew(clinic: Flask) -> None:
    older = passwords.PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
    people = services(clinic).accounts.users
    people.add("ada", Role.READER, older.hash(PASSWORD))
    assert log_in(clinic.test_client(), "ada") == 303
    assert "$m=19456,t=2,p=1$" in people.get("ada").password_hash
    assert log_in(clinic.test_client(), "ada") == 303


def test_a_log_in_starts_a_new_session_and_a_log_out_leaves_nothing(
    clinic: Flask, ada: FlaskClient
) -> None:
    other = clinic.test_client()
    with other.session_transaction() as session:
        session["names"] = {"0" * 32: "Mueller_Hans.dcm"}
    before = other.get_cookie("session")
    assert log_in(other, "ada") == 303
    with other.session_transaction() as session:
        assert "names" not in session
    after = other.get_cookie("session")
    assert before
    assert after
    assert after.value != before.value
    kept = ada.get_cookie("session")
    assert kept
    assert post(ada, "/logout", page="/account").headers["Location"] == "/login"
    assert ada.get("/").status_code == 303
    # The cookie of before, from a thief's copy, is good for nothing either.
    thief = clinic.test_client()
    thief.set_cookie("session", kept.value)
    assert thief.get("/account").status_code == 303
    assert other.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("pauses", "ends"),
    [
        ([timedelta(minutes=59)] * 3, False),
        ([timedelta(minutes=59), timedelta(minutes=61)], True),
        ([timedelta(minutes=50)] * 14, False),
        ([timedelta(minutes=50)] * 15, True),  # twelve hours are over, whatever was done
    ],
)
def test_a_session_ends_when_idle_and_in_any_case(
    clinic: Flask,
    ada: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[timedelta],
    ends: bool,
) -> None:
    passed, statuses = timedelta(0), []
    for pause in pauses:
        passed += pause
        later(monkeypatch, passed)
        statuses.append(ada.get("/account").status_code)
    assert statuses[:-1] == [200] * (len(pauses) - 1)
    assert statuses[-1] == (303 if ends else 200)


# --- the account --------------------------------------------------------------------------------


def test_a_new_password_ends_all_other_sessions(clinic: Flask, ada: FlaskClient) -> None:
    other = clinic.test_client()
    assert log_in(other, "ada") == 303
    fields = {"current": PASSWORD, "password": NEW, "again": NEW}
    answer = post(ada, "/account/password", page="/account", **fields)
    assert answer.status_code == 303
    assert ada.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert log_in(clinic.test_client(), "ada") == 403
    assert log_in(clinic.test_client(), "ada", NEW) == 303


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"current": "a wrong one", "password": NEW, "again": NEW},
            "current password is not right",
        ),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "It has 5 characters"),
        ({"current": PASSWORD, "password": NEW, "again": "other"}, "passwords are not the same"),
        ({"current": PASSWORD, "password": "a" * 129, "again": "a" * 129}, "It has 129 characters"),
        (
            {"current": PASSWORD, "password": "password1234", "again": "password1234"},
            "This is a very common password.",
        ),
    ],
)
def test_a_password_that_cannot_be_is_refused_with_the_reason(
    clinic: Flask, ada: FlaskClient, fields: dict[str, str], sentence: str
) -> None:
    answer = post(ada, "/account/password", page="/account", **fields)
    assert 400 <= answer.status_code < 500
    assert sentence in answer.get_data(as_text=True)
    assert log_in(clinic.test_client(), "ada") == 303


def test_a_password_made_of_the_name_is_easy_to_guess() -> None:
    with pytest.raises(WeakPassword):
        passwords.check_password("k.przybylska12", "k.przybylska")
    passwords.check_password("k.przybylska12", "ada")


@pytest.mark.parametrize("password", ["Pneumonia2026!", "Radiograph2026!", "clinicradiograph"])
def test_a_word_of_the_house_is_easy_to_guess(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeakPassword):
        passwords.check_password(password, "ada")
    monkeypatch.setattr(passwords, "HOUSE_WORDS", ())
    passwords.check_password(password, "ada")


@pytest.mark.parametrize("password", [NEW, "пневмония осенью: дождь", "x" * 5 + "Q9!kd0-wm3pz"])
def test_any_characters_will_do(password: str) -> None:
    passwords.check_password(password, "ada")
    hash_ = passwords.hash_password(password)
    assert hash_.startswith("$argon2id$")
    assert passwords.is_right(hash_, password)
    assert not passwords.is_right(hash_, password + " ")


def test_all_other_log_ins_are_ended_by_one_button(clinic: Flask, ada: FlaskClient) -> None:
    other = clinic.test_client()
    assert log_in(other, "ada") == 303
    assert "Log out everywhere else" in ada.get("/account").get_data(as_text=True)
    assert post(ada, "/account/sessions", page="/account").status_code == 303
    assert other.get("/account").status_code == 303
    assert ada.get("/account").status_code == 200


# --- tokens -------------------------------------------------------------------------------------


def test_a_token_is_shown_once_kept_as_a_digest_and_works_until_revoked(
    clinic: Flask, ada: FlaskClient, tmp_path: Path
) -> None:
    answer = post(ada, "/account/tokens", label="the scanner", scopes=["read"], days="30")
    secret = shown(answer)
    assert secret.startswith("cxr_")
    assert answer.headers["Cache-Control"] == "no-store"
    page = ada.get("/account/tokens").get_data(as_text=True)
    assert "the scanner" in page
    assert secret not in page
    for file in (tmp_path / "var").glob("pneumonia.sqlite3*"):
        assert secret.encode() not in file.read_bytes()
    headers = {"Authorization": f"Bearer {secret}"}
    program = clinic.test_client()
    assert program.get(f"/api/v1/readings/{'0' * 32}", headers=headers).status_code == 404
    (token,) = services(clinic).accounts.tokens.all(services(clinic).accounts.users.get("ada"))
    assert token.last_used_at is not None
    assert (
        post(ada, f"/account/tokens/{token.id}/revoke", page="/account/tokens").status_code == 303
    )
    assert program.get(f"/api/v1/readings/{'0' * 32}", headers=headers).status_code == 401
    assert actions(clinic)[-2:] == ["token added", "token revoked"]


def test_a_token_ends_by_itself(clinic: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = give_token(clinic, add_person(clinic, "bob"), Permission.READ)
    client = clinic.test_client()
    assert client.get("/model", headers=headers).status_code == 200
    later(monkeypatch, timedelta(days=1, seconds=1))
    assert client.get("/model", headers=headers).status_code == 401


def test_nobody_revokes_another_ones_token(clinic: Flask, ada: FlaskClient) -> None:
    bob = add_person(clinic, "bob")
    headers = give_token(clinic, bob, Permission.READ)
    (token,) = services(clinic).accounts.tokens.all(bob)
    post(ada, f"/account/tokens/{token.id}/revoke", page="/account/tokens")
    assert clinic.test_client().get("/model", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "x", "days": "30"},
        {"label": "", "scopes": ["read"], "days": "30"},
        {"label": "x", "scopes": ["administer"], "days": "30"},
        {"label": "x", "scopes": ["read"], "days": "9999"},
    ],
)
def test_a_token_that_cannot_be_is_not_made(
    clinic: Flask, ada: FlaskClient, fields: dict[str, object]
) -> None:
    assert 400 <= post(ada, "/account/tokens", **fields).status_code < 500
    assert services(clinic).accounts.tokens.all(services(clinic).accounts.users.get("ada")) == []


def test_a_reader_is_offered_no_more_than_a_reader_may(clinic: Flask) -> None:
    add_person(clinic, "bob")
    client = clinic.test_client()
    log_in(client, "bob")
    page = client.get("/account/tokens").get_data(as_text=True)
    assert 'value="upload"' in page
    assert 'value="delete"' not in page
    answer = post(client, "/account/tokens", label="x", scopes=["read", "delete"], days="30")
    assert answer.status_code == 422


# --- users --------------------------------------------------------------------------------------


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


# --- the audit page -----------------------------------------------------------------------------


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
