"""People with accounts, for tests of an app that asks who is there."""

import re
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from pneumonia.records.user import Permission, Role, User
from pneumonia.web.services import services

PASSWORD = "violet tractor under 9 moons"


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
