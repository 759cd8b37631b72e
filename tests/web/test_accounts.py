"""A person's own account: passwords, other log-ins, tokens."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.accounts import passwords
from pneumonia.errors import WeakPassword
from pneumonia.records.secret import digest
from pneumonia.records.user import Permission
from pneumonia.web.services import services
from tests.people import (
    NEW,
    PASSWORD,
    actions,
    add_person,
    give_token,
    later,
    log_in,
    post,
    shown,
)


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


def test_one_log_in_is_ended_by_its_button(clinic: Flask, ada: FlaskClient) -> None:
    others = [clinic.test_client() for _ in range(2)]
    for other in others:
        assert log_in(other, "ada") == 303
    sessions = services(clinic).accounts.sessions
    me = services(clinic).accounts.users.get("ada")
    with others[0].session_transaction() as cookie:
        first = digest(cookie["_user_id"])
    page = ada.get("/account").get_data(as_text=True)
    assert page.count("/end") == 2  # not for this browser itself
    assert post(ada, f"/account/sessions/{first}/end", page="/account").status_code == 303
    assert [client.get("/account").status_code for client in (*others, ada)] == [303, 200, 200]
    assert len(sessions.all(me)) == 2
    assert actions(clinic)[-1] == "log-in ended"


def test_nobody_ends_another_ones_log_in(clinic: Flask, ada: FlaskClient) -> None:
    bob = add_person(clinic, "bob")
    assert log_in(clinic.test_client(), "bob") == 303
    (theirs,) = services(clinic).accounts.sessions.all(bob)
    assert post(ada, f"/account/sessions/{theirs.id}/end", page="/account").status_code == 303
    assert len(services(clinic).accounts.sessions.all(bob)) == 1
    assert "log-in ended" not in actions(clinic)


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
