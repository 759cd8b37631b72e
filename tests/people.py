"""People with accounts, for tests of an app that asks who is there."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.accounts import accounts
from pneumonia.records import users, ways_in
from pneumonia.records.audit import AuditQuery
from pneumonia.records.user import Permission, Role, User
from pneumonia.web.services import services

PASSWORD = "violet tractor under 9 moons"
NEW = "seven quiet harbours, no boats"


def add_person(app: Flask, name: str, role: Role = Role.READER) -> User:
    return services(app).accounts.add(name, role, PASSWORD)


def csrf(client: FlaskClient, page: str = "/login") -> str:
    """The CSRF token out of a page, as a browser without JavaScript would send it."""
    found = re.search(
        r'name="csrf_token"[^>]*value="([^"]+)"', client.get(page).get_data(as_text=True)
    )
    assert found, f"no form on {page}"
    return found[1]


def log_in(client: FlaskClient, name: str, password: str = PASSWORD, **more: object) -> int:
    """Through the form; returns the status, 303 where it went well."""
    fields = {"csrf_token": csrf(client), "name": name, "password": password}
    return client.post("/login", data=fields, **more).status_code  # type: ignore[arg-type]


def give_token(app: Flask, person: User, *scopes: Permission) -> dict[str, str]:
    """Headers of a program that acts for a person."""
    secret = services(app).accounts.tokens.issue(
        person, "a test", frozenset(scopes or person.role.permissions), timedelta(days=1)
    )
    return {"Authorization": f"Bearer {secret}"}


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


class Ear:
    """A log that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def warning(self, text: str, *values: object) -> None:
        self.heard.append(text % values)


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Move the clock of everything that ends."""
    moment = datetime.now(UTC) + by

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return moment

    for module in (ways_in, accounts, users):
        monkeypatch.setattr(module, "datetime", Clock)


def refused(client: FlaskClient, name: str, password: str) -> str:
    answer = post(client, "/login", name=name, password=password)
    assert answer.status_code == 403
    text: str = re.sub(r"value=\"[^\"]*\"", "", answer.get_data(as_text=True))
    return text
