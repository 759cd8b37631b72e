"""Logging in and out: what a refusal tells, when an account closes, when a session ends."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.accounts import accounts, passwords
from pneumonia.records.user import Role
from pneumonia.web.limits import FAILURES
from pneumonia.web.services import services
from tests.people import (
    PASSWORD,
    actions,
    add_person,
    csrf,
    later,
    log_in,
    post,
    refused,
)


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
