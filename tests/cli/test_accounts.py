"""``flask users`` and ``flask audit``, as whoever runs the server uses them."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from pneumonia.accounts import passwords
from pneumonia.records.user import Role
from pneumonia.web.services import services

PASSWORD = "violet tractor under 9 moons"
Run = Callable[..., Result]


@pytest.fixture
def clinic(make_app: Any) -> Flask:
    made: Flask = make_app(start=False, accounts="required")
    return made


@pytest.fixture
def run(clinic: Flask) -> Run:
    def run(*arguments: str, typed: str = "") -> Result:
        return clinic.test_cli_runner().invoke(args=list(arguments), input=typed)

    return run


def test_a_user_is_added_listed_changed_and_disabled(run: Run, clinic: Flask) -> None:
    added = run("users", "add", "Ada", "--role", "administrator", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert added.output.splitlines()[-1] == "ada is administrator."
    assert PASSWORD not in added.output
    run("users", "add", "bob", "--password", PASSWORD)
    assert run("users", "role", "bob", "reviewer").output == "bob is reviewer.\n"
    assert run("users", "password", "bob", "--password", f"{PASSWORD}!").exit_code == 0
    assert run("users", "disable", "bob").output == "bob is disabled.\n"
    people = services(clinic).accounts.users
    bob = people.get("bob")
    assert (bob.role, bob.is_disabled) == (Role.REVIEWER, True)
    assert passwords.is_right(bob.password_hash, f"{PASSWORD}!")
    assert [line.split() for line in run("users", "list").output.splitlines()] == [
        ["ada", "administrator", "never"],
        ["bob", "reviewer", "never", "disabled"],
    ]
    run("users", "enable", "bob")
    assert not people.get("bob").is_disabled


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "ada", "--password", PASSWORD], "There is a user 'ada' already."),
        (["add", "eve", "--password", "short"], "It has 5 characters; take at least 12."),
        (["add", "two words", "--password", PASSWORD], "The name 'two words' cannot be used"),
        (["role", "zoe", "reader"], "There is no user 'zoe'."),
        (["role", "ada", "reader"], "Nobody could administer this reader any more."),
        (["disable", "ada"], "Nobody could administer this reader any more."),
    ],
)
def test_what_cannot_be_is_a_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    run("users", "add", "ada", "--role", "administrator", "--password", PASSWORD)
    result = run("users", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {sentence}")


def test_verify_names_the_first_broken_link(run: Run, tmp_path: Path) -> None:
    for name in ("ada", "bob", "eve"):
        run("users", "add", name, "--password", PASSWORD)
    whole = run("audit", "verify")
    assert whole.exit_code == 0
    assert whole.output.startswith("3 entries, every link holds. Newest: ")
    newest = whole.output.split()[-1]
    lines = [json.loads(line) for line in run("audit", "export").output.splitlines()]
    assert [line["subject"] for line in lines] == ["ada: reader", "bob: reader", "eve: reader"]
    assert lines[-1]["hash"] == newest
    assert {(line["actor"], line["via"]) for line in lines} == {("operator", "command")}
    assert run("audit", "verify", "--noted", newest).exit_code == 0
    assert "is not in the log" in run("audit", "verify", "--noted", "f" * 64).output
    with sqlite3.connect(tmp_path / "var" / "pneumonia.sqlite3") as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET subject = 'eve: administrator' WHERE sequence = 2")
    broken = run("audit", "verify")
    assert broken.exit_code == 1
    assert broken.output.startswith("Error: Entry 2 of ")
    assert broken.output.endswith("The 1 before hold.\n")
