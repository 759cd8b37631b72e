"""Who gets what: every route of the app is walked, as nobody, as each role, and by token."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.records.audit import AuditQuery
from pneumonia.records.user import Permission, Role
from pneumonia.web.guard import NEEDS, NEEDS_ACCOUNTS, OWN, PUBLIC, WATCHING
from pneumonia.web.services import services
from tests.people import PASSWORD, add_person, csrf, give_token, log_in
from tests.running import running
from tests.web.test_headers import Inline

ANYTHING = "0" * 32
NO_BODY = {"HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An app that asks who is there, with one person of each role and a sign-in that is down."""
    sign_in = {
        "oidc_issuer": "http://127.0.0.1:9",
        "oidc_client_id": "reader",
        "oidc_client_secret": "x",
    }
    var = tmp_path_factory.mktemp("var")
    with running(tiny_bundle, var, accounts="required", **sign_in) as app:
        for role in Role:
            add_person(app, role.value, role)
        yield app


@pytest.fixture
def somebody(guarded: Flask) -> Callable[[Role], FlaskClient]:
    """A browser that is logged in."""

    def make(role: Role) -> FlaskClient:
        client = guarded.test_client()
        assert log_in(client, role.value) == 303
        return client

    return make


def walk(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Endpoint, method and path of every rule."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", ANYTHING, rule.rule)
        for method in sorted((rule.methods or set()) - NO_BODY):
            yield rule.endpoint, method, path


def test_every_endpoint_says_what_it_needs(guarded: Flask) -> None:
    assert set(guarded.view_functions) == PUBLIC | NEEDS.keys() | OWN
    assert {
        "static",
        "health.live",
        "health.ready",
        "observing.metrics",
        "language.choose",
        "accounts.log_in",
        "accounts.set_up",
        "sign_in.begin",
        "sign_in.end",
        "sign_in.leave",
    } == PUBLIC


def test_nobody_gets_anything_that_is_not_public(guarded: Flask, problem: Any) -> None:
    walked = 0
    for endpoint, method, path in walk(guarded):
        if endpoint in PUBLIC:
            continue
        client = guarded.test_client()
        page = client.open(path, method=method, headers={"Accept": "text/html"})
        if path.startswith("/api/"):
            problem(page, 401, "log_in_needed")
        else:
            assert page.status_code == 303, (method, path)
            assert page.headers["Location"].partition("?")[0] == "/login"
        program = client.open(path, method=method, headers={"Accept": "application/json"})
        problem(program, 401, "log_in_needed")
        assert program.headers["WWW-Authenticate"] == 'Bearer realm="pneumonia"'
        walked += 1
    assert walked > 20


def test_a_made_up_session_or_token_is_nobody(guarded: Flask, problem: Any) -> None:
    for headers in ({"Authorization": "Bearer cxr_made-up"}, {"Authorization": "Bearer "}):
        problem(guarded.test_client().get("/", headers=headers), 401, "log_in_needed")
    client = guarded.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = "made-up"
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("role", Role)
def test_each_role_gets_what_it_may_and_no_more(
    guarded: Flask, somebody: Callable[[Role], FlaskClient], role: Role
) -> None:
    client = somebody(role)
    for endpoint, method, path in walk(guarded):
        if endpoint in ("accounts.log_out", "accounts.end_others", "static"):
            continue
        status = client.open(
            path, method=method, headers={"Accept": "application/json"}
        ).status_code
        needs = NEEDS.get(endpoint)
        if path.startswith("/api/") and method != "GET":
            assert status == 401, (method, path)  # a cookie changes nothing there
        elif needs is None or needs in role.permissions:
            assert status not in (401, 403, 500), (method, path, status)
        else:
            assert status == 403, (method, path)


@pytest.mark.parametrize("scope", [Permission.READ, Permission.UPLOAD, Permission.DELETE])
def test_a_token_reaches_what_its_scope_says(guarded: Flask, scope: Permission) -> None:
    person = add_person(guarded, f"program-{scope}", Role.ADMINISTRATOR)
    headers = give_token(guarded, person, scope) | {"Accept": "application/json"}
    for endpoint, method, path in walk(guarded):
        if endpoint in PUBLIC:
            continue
        answer = guarded.test_client().open(path, method=method, headers=headers)
        if NEEDS.get(endpoint) == scope:
            assert answer.status_code not in (401, 403, 500), (method, path)
        else:
            assert answer.status_code == 403, (method, path)


def test_a_token_has_no_more_rights_than_its_user(guarded: Flask, problem: Any) -> None:
    person = add_person(guarded, "was-reviewer", Role.REVIEWER)
    headers = give_token(guarded, person, Permission.DELETE)
    path = f"/api/v1/readings/{ANYTHING}"
    client = guarded.test_client()
    problem(client.delete(path, headers=headers), 404, "reading_not_found")
    services(guarded).accounts.users.set_role("was-reviewer", Role.READER)
    problem(client.delete(path, headers=headers), 403, "not_permitted")
    told = services(guarded).audit.page(AuditQuery(action="refused"), limit=1)[0]
    assert (told.actor, told.via, told.subject) == (
        "was-reviewer",
        "token a test",
        "DELETE api.delete",
    )


def test_the_forms_need_their_token_and_the_api_none(
    guarded: Flask, somebody: Callable[[Role], FlaskClient], send: Any, radiograph_png: bytes
) -> None:
    client = somebody(Role.ADMINISTRATOR)
    for _, method, path in walk(guarded):
        if method == "POST" and not path.startswith(("/api/", "/language")):
            answer = client.post(path, headers={"Accept": "application/json"})
            assert answer.get_json(force=True)["code"] == "csrf_failed", path
    person = add_person(guarded, "scanner", Role.READER)
    headers = give_token(guarded, person, Permission.UPLOAD)
    program = guarded.test_client()
    program.environ_base["HTTP_AUTHORIZATION"] = headers["Authorization"]
    assert send(program, radiograph_png).status_code == 201


def test_every_answer_carries_the_security_headers_and_no_cache_keeps_it(
    guarded: Flask, somebody: Callable[[Role], FlaskClient]
) -> None:
    kept = {"static", "pages.sample_image"}  # nothing of a patient
    for client in (guarded.test_client(), somebody(Role.READER), somebody(Role.ADMINISTRATOR)):
        for endpoint, method, path in walk(guarded):
            if endpoint in ("accounts.log_out", "accounts.end_others"):
                continue
            headers = client.open(path, method=method).headers
            assert "default-src 'none'" in headers["Content-Security-Policy"], path
            assert "unsafe" not in headers["Content-Security-Policy"], path
            assert headers["X-Frame-Options"] == "DENY", path
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Referrer-Policy"] == "same-origin", path
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin", path
            assert "camera=()" in headers["Permissions-Policy"], path
            assert "no-store" in headers["Cache-Control"] or endpoint in kept, path
            for cookie in headers.getlist("Set-Cookie"):
                assert "HttpOnly" in cookie
                assert "SameSite=Lax" in cookie


def test_no_account_page_has_anything_inline_or_from_elsewhere(
    guarded: Flask, somebody: Callable[[Role], FlaskClient]
) -> None:
    nobody, administrator = guarded.test_client(), somebody(Role.ADMINISTRATOR)
    pages = {
        "/login": nobody,
        "/account": administrator,
        "/account/tokens": administrator,
        "/users": administrator,
        "/audit": administrator,
    }
    for path, client in pages.items():
        parser = Inline()
        answer = client.get(path)
        assert answer.status_code == 200
        parser.feed(answer.get_data(as_text=True))
        assert parser.found == [], path


def test_the_anonymous_learn_neither_version_nor_model(guarded: Flask) -> None:
    page = guarded.test_client().get("/login").get_data(as_text=True)
    assert "Version" not in page
    assert 'class="places"' not in page


# --- the local mode -----------------------------------------------------------------------------


def test_the_local_mode_lets_in_whoever_sits_there_and_says_so(app: Flask) -> None:
    client = app.test_client()
    assert "Local mode" in client.get("/").get_data(as_text=True)
    assert client.get("/audit").status_code == 200
    assert "for one person on this computer" in client.get("/account").get_data(as_text=True)


FROM_ELSEWHERE = [
    ({"REMOTE_ADDR": "192.168.1.7"}, {}),
    ({"REMOTE_ADDR": "2001:db8::7"}, {}),
    ({"REMOTE_ADDR": ""}, {}),
    ({}, {"X-Forwarded-For": "127.0.0.1"}),
    ({}, {"Forwarded": "for=127.0.0.1"}),
]


@pytest.mark.parametrize(("environ", "headers"), FROM_ELSEWHERE, ids=str)
def test_the_local_mode_answers_no_other_computer(
    app: Flask, problem: Any, environ: dict[str, str], headers: dict[str, str]
) -> None:
    client = app.test_client()
    for endpoint, method, path in walk(app):
        if endpoint in WATCHING or endpoint == "static":
            continue
        asked = headers | {"Accept": "application/json"}
        answer = client.open(path, method=method, headers=asked, environ_overrides=environ)
        problem(answer, 403, "local_only")


def test_the_local_mode_has_no_accounts(app: Flask, problem: Any) -> None:
    client, walked = app.test_client(), set()
    for endpoint, method, path in walk(app):
        if endpoint in NEEDS_ACCOUNTS:
            answer = client.open(path, method=method, headers={"Accept": "application/json"})
            problem(answer, 404, "no_accounts")
            walked.add(endpoint)
    assert walked == NEEDS_ACCOUNTS


@pytest.mark.parametrize("there", ["/model", "/audit?actor=ada&before=3", "/readings/x?a=b"])
def test_the_log_in_leads_to_the_page_that_was_asked_for(guarded: Flask, there: str) -> None:
    client = guarded.test_client()
    sent = client.get(there).headers["Location"]
    fields = {"csrf_token": csrf(client, sent), "name": "administrator"}
    answer = client.post(sent, data=fields | {"password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, there)


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\nb",
        "evil",
        "",
    ],
)
def test_the_log_in_leads_to_no_other_site(
    somebody: Callable[[Role], FlaskClient], there: str
) -> None:
    client = somebody(Role.READER)
    assert client.get("/login", query_string={"next": there}).headers["Location"] == "/"
