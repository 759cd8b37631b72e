"""Logging in by OpenID Connect, against a provider that runs: real HTTP, real signatures."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.config import Settings
from pneumonia.errors import BadSetting
from pneumonia.records.user import Role
from pneumonia.web.services import services
from tests.people import PASSWORD, actions, add_person, log_in, post

MakeClinic = Callable[..., Flask]
GROUPS = {"oidc_role_claim": "groups", "oidc_roles": "radiology=reviewer, it=administrator"}
CLIENT = {"oidc_client_id": "reader", "oidc_client_secret": "a secret of both"}
ANYBODY: dict[str, Any] = {}


class Provider:
    """The server, whose answers a test may change on their way, and what it was asked."""

    def __init__(self, server: Any) -> None:
        self.url = f"http://localhost:{server.server_port}"
        self.change: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self._app, server.app = server.app, self

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        self.asked.append((path, parse_qs(environ["QUERY_STRING"])))
        if path == "/oauth2/token":
            sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self.asked.append((path, parse_qs(sent.decode())))
            environ["wsgi.input"] = io.BytesIO(sent)
        if path not in self.change:
            return self._app(environ, start)
        told: list[Any] = []
        body = b"".join(self._app(environ, lambda *head: told.extend(head)))
        new = json.dumps(self.change[path](json.loads(body))).encode()
        start(told[0], [("Content-Type", "application/json"), ("Content-Length", str(len(new)))])
        return [new]

    def say(self, sub: str, **claims: Any) -> None:
        answer = requests.put(f"{self.url}/users/{sub}", json=claims, timeout=10)
        assert answer.status_code == 204, answer.text

    def agree(self, there: str, sub: str) -> str:
        """What a person does on the provider's page; returns the address that it leads back to."""
        answer = requests.post(there, data={"sub": sub}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield Provider(server)


@pytest.fixture
def clinic(make_app: Callable[..., Flask], provider: Provider) -> MakeClinic:
    def make(**settings: Any) -> Flask:
        oidc = {"oidc_issuer": provider.url, **CLIENT}
        return make_app(start=False, accounts="required", **(oidc | settings))

    return make


def go(client: FlaskClient, query: str = "") -> str:
    """To the provider; returns its address."""
    answer = client.get(f"/login/service{query}")
    assert answer.status_code == 302, answer.get_data(as_text=True)
    return answer.headers["Location"]


def come_back(client: FlaskClient, address: str) -> Any:
    parts = urlsplit(address)
    assert (parts.netloc, parts.path) == ("localhost", "/login/service/back")
    return client.get(f"{parts.path}?{parts.query}", headers={"Accept": "application/json"})


def sign_in(client: FlaskClient, provider: Provider, sub: str, query: str = "") -> Any:
    return come_back(client, provider.agree(go(client, query), sub))


def test_who_was_invited_gets_in_and_where_they_wanted(
    clinic: MakeClinic, provider: Provider
) -> None:
    app = clinic()
    people = services(app).accounts
    people.add("ada", Role.REVIEWER)
    provider.say("1815", preferred_username="Ada")
    client = app.test_client()
    answer = sign_in(client, provider, "1815", "?next=/account")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    page = client.get("/account").get_data(as_text=True)
    assert "Reviewer, since" in page
    # By the service's own id from now on: a name may change, or be given to another one.
    provider.say("1815", preferred_username="countess")
    assert sign_in(app.test_client(), provider, "1815").status_code == 303
    provider.say("666", preferred_username="ada")
    refused = sign_in(app.test_client(), provider, "666")
    assert (refused.status_code, refused.get_json(force=True)["code"]) == (403, "log_in_refused")
    assert [user.name for user in people.users.all()] == ["ada"]
    assert actions(app) == [
        "user added",
        "account given to a sign-in",
        "log-in",
        "log-in",
        "log-in failed",
    ]


def test_who_was_not_invited_stays_out(clinic: MakeClinic, provider: Provider) -> None:
    app = clinic()
    provider.say("eve", preferred_username="eve")
    answer = sign_in(app.test_client(), provider, "eve")
    assert answer.status_code == 403
    assert "Ask an administrator of this reader to add the user eve." in answer.text
    assert services(app).accounts.users.all() == []


@pytest.mark.parametrize("settings", [ANYBODY, GROUPS], ids=["invited", "by role"])
def test_an_account_with_a_password_is_never_taken_over_by_its_name(
    clinic: MakeClinic, provider: Provider, settings: dict[str, str]
) -> None:
    app = clinic(**settings)
    add_person(app, "ada", Role.ADMINISTRATOR)
    provider.say("eve", preferred_username="ada", groups=["radiology"])
    assert sign_in(app.test_client(), provider, "eve").status_code == 403
    assert services(app).accounts.users.get("ada").subject is None
    assert log_in(app.test_client(), "ada") == 303  # and its owner gets in as ever


def test_a_role_of_the_service_makes_the_account_and_follows_it(
    clinic: MakeClinic, provider: Provider
) -> None:
    app = clinic(**GROUPS)
    users = services(app).accounts.users
    provider.say("1815", preferred_username="ada", groups=["staff", "radiology", "it"])
    assert sign_in(app.test_client(), provider, "1815").status_code == 303
    assert users.get("ada").role is Role.ADMINISTRATOR
    provider.say("1815", preferred_username="ada", groups="radiology")
    assert sign_in(app.test_client(), provider, "1815").status_code == 303
    assert users.get("ada").role is Role.ADMINISTRATOR  # nobody else could administer
    add_person(app, "root", Role.ADMINISTRATOR)
    assert sign_in(app.test_client(), provider, "1815").status_code == 303
    assert users.get("ada").role is Role.REVIEWER
    provider.say("1815", preferred_username="ada", groups=["staff"])
    refused = sign_in(app.test_client(), provider, "1815")
    assert refused.status_code == 403
    assert "gives you no role in this reader" in refused.text


def test_who_is_disabled_stays_out(clinic: MakeClinic, provider: Provider) -> None:
    app = clinic(**GROUPS)
    add_person(app, "root", Role.ADMINISTRATOR)
    provider.say("1815", preferred_username="ada", groups=["radiology"])
    client = app.test_client()
    assert sign_in(client, provider, "1815").status_code == 303
    services(app).accounts.users.disable("ada")
    assert client.get("/account").status_code == 303
    assert sign_in(app.test_client(), provider, "1815").status_code == 403


@pytest.mark.parametrize("name", [None, "", "no name of ours", 7])
def test_a_name_that_cannot_be_is_refused(
    clinic: MakeClinic, provider: Provider, name: Any
) -> None:
    app = clinic(**GROUPS)
    provider.say("1815", groups=["radiology"], **({} if name is None else {"nickname": name}))
    client = clinic(**GROUPS, oidc_name_claim="nickname").test_client()
    assert sign_in(client, provider, "1815").status_code == 403
    assert services(app).accounts.users.all() == []


# --- what an attacker would try ------------------------------------------------------------------


@pytest.fixture
def invited(clinic: MakeClinic, provider: Provider) -> Flask:
    app = clinic()
    services(app).accounts.add("ada", Role.READER)
    provider.say("1815", preferred_username="ada")
    return app


def assert_failed(client: FlaskClient, answer: Any) -> None:
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "sign_in_failed")
    assert client.get("/account").status_code == 303


def test_the_code_is_bound_to_who_asked_for_it(invited: Flask, provider: Provider) -> None:
    assert sign_in(invited.test_client(), provider, "1815").status_code == 303
    challenge = next(q for path, q in provider.asked if path == "/oauth2/authorize")
    sent = next(q for path, q in provider.asked if path == "/oauth2/token" and q)
    digest = hashlib.sha256(sent["code_verifier"][0].encode()).digest()
    assert challenge["code_challenge_method"] == ["S256"]
    assert challenge["code_challenge"] == [base64.urlsafe_b64encode(digest).decode().rstrip("=")]
    assert len(challenge["state"][0]) >= 20
    assert len(challenge["nonce"][0]) >= 20


def test_the_answer_to_another_browser_is_refused(invited: Flask, provider: Provider) -> None:
    theirs = provider.agree(go(invited.test_client()), "1815")
    client = invited.test_client()
    assert_failed(client, come_back(client, theirs))
    go(client)
    assert_failed(client, come_back(client, theirs))


def test_an_answer_is_good_once(invited: Flask, provider: Provider) -> None:
    client = invited.test_client()
    back = provider.agree(go(client), "1815")
    assert come_back(client, back).status_code == 303
    post(client, "/logout", "/account")
    assert_failed(client, come_back(client, back))


def test_a_token_of_another_log_in_is_refused(invited: Flask, provider: Provider) -> None:
    """The code of one with the state of another: its nonce does not fit."""
    client = invited.test_client()
    first = provider.agree(go(client), "1815")
    second = provider.agree(go(client), "1815")
    code = parse_qs(urlsplit(first).query)["code"][0]
    state = parse_qs(urlsplit(second).query)["state"][0]
    mixed = f"{urlsplit(first)._replace(query='').geturl()}?code={code}&state={state}"
    assert_failed(client, come_back(client, mixed))


def resigned(told: dict[str, Any]) -> dict[str, Any]:
    head, body, signature = told["id_token"].split(".")
    other = ("B" if signature[0] == "A" else "A") + signature[1:]
    return told | {"id_token": f"{head}.{body}.{other}"}


def unsigned(told: dict[str, Any]) -> dict[str, Any]:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return told | {"id_token": f"{head}.{told['id_token'].split('.')[1]}."}


def renamed(told: dict[str, Any]) -> dict[str, Any]:
    head, body, signature = told["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    new = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "root"}).encode()).decode()
    return told | {"id_token": f"{head}.{new.rstrip('=')}.{signature}"}


def without(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != "id_token"}


@pytest.mark.parametrize("change", [resigned, unsigned, renamed])
def test_a_token_that_the_service_did_not_sign_is_refused(
    invited: Flask, provider: Provider, change: Any
) -> None:
    client = invited.test_client()
    back = provider.agree(go(client), "1815")
    provider.change["/oauth2/token"] = change
    assert_failed(client, come_back(client, back))


def test_without_a_token_nobody_is_known(invited: Flask, provider: Provider) -> None:
    client = invited.test_client()
    back = provider.agree(go(client), "1815")
    provider.change["/oauth2/token"] = without
    assert come_back(client, back).status_code == 403
    assert client.get("/account").status_code == 303


def test_a_service_that_calls_itself_otherwise_is_not_believed(
    invited: Flask, provider: Provider, problem: Any
) -> None:
    discovery = "/.well-known/openid-configuration"
    provider.change[discovery] = lambda told: told | {"issuer": "https://evil.example"}
    answer = invited.test_client().get("/login/service", headers={"Accept": "application/json"})
    problem(answer, 503, "sign_in_unavailable")


def test_a_service_that_does_not_answer_leaves_the_password(
    clinic: MakeClinic, problem: Any
) -> None:
    app = clinic(oidc_issuer="http://127.0.0.1:9")
    add_person(app, "ada", Role.ADMINISTRATOR)
    client = app.test_client()
    answer = client.get("/login/service", headers={"Accept": "application/json"})
    problem(answer, 503, "sign_in_unavailable")
    assert log_in(client, "ada", PASSWORD) == 303


def test_no_other_site_comes_after_the_log_in(invited: Flask, provider: Provider) -> None:
    answer = sign_in(invited.test_client(), provider, "1815", "?next=//evil.example")
    assert answer.headers["Location"] == "/"


# --- pages and settings --------------------------------------------------------------------------


def test_the_log_in_page_offers_both_and_the_way_out(invited: Flask, provider: Provider) -> None:
    client = invited.test_client()
    page = client.get("/login").get_data(as_text=True)
    assert 'href="/login/service"' in page
    assert 'name="password"' in page
    assert "Sign out there" not in page
    sign_in(client, provider, "1815")
    left = post(client, "/logout", "/account")
    assert client.get("/account").status_code == 303
    assert "Sign out there" in client.get(left.headers["Location"]).get_data(as_text=True)
    there = urlsplit(client.get("/login/service/out").headers["Location"])
    assert f"{there.scheme}://{there.netloc}" == provider.url
    assert parse_qs(there.query)["post_logout_redirect_uri"] == ["http://localhost/login"]


def test_where_no_service_is_set_there_is_none(make_app: Callable[..., Flask]) -> None:
    client = make_app(start=False, accounts="required").test_client()
    for path in ("", "/back", "/out"):
        assert client.get(f"/login/service{path}").status_code == 404
    assert "/login/service" not in client.get("/login").get_data(as_text=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"oidc_issuer": "http://id.clinic.example"},
        {"oidc_issuer": "id.clinic.example"},
        {"oidc_client_id": ""},
        {"oidc_client_secret": ""},
        {"accounts": "local"},
        {"oidc_role_claim": "groups"},
        {"oidc_roles": "radiology=reviewer"},
        GROUPS | {"oidc_roles": "radiology=king"},
        GROUPS | {"oidc_roles": "radiology"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_said_at_the_start(changes: dict[str, str]) -> None:
    good = {
        "accounts": "required",
        "oidc_issuer": "https://id.clinic.example",
        **CLIENT,
    }
    assert Settings(**good | GROUPS).oidc_role_of["it"] == "administrator"
    with pytest.raises(BadSetting, match="PNEUMONIA_OIDC_"):
        Settings(**good | changes)
