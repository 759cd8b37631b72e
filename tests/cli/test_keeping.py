"""flask backup, restore and purge, as whoever runs the server meets them."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from pneumonia.records.audit import AuditQuery
from pneumonia.web.services import services


def run(app: Flask, *arguments: object) -> Result:
    return app.test_cli_runner().invoke(args=list(map(str, arguments)))


@pytest.fixture
def own(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


def test_destroyed_and_restored_it_answers_as_before(
    own: Flask, send: Callable[..., Any], radiograph_png: bytes, tmp_path: Path
) -> None:
    client, var, file = own.test_client(), tmp_path / "var", tmp_path / "backup.tar"
    made = [json.loads(send(client, radiograph_png).data) for _ in range(3)]
    pictures = [client.get(one["links"]["image"]).data for one in made]
    result = run(own, "backup", file)
    assert (result.exit_code, result.output) == (0, f"{file}: 3 readings, with their films.\n")
    assert services(own).audit.page(AuditQuery())[0].action == "backup"
    later = json.loads(send(client, radiograph_png).data)

    services(own).store.close()
    shutil.rmtree(var)
    result = run(own, "restore", file)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("3 readings, as they were at 20")
    for one, picture in zip(made, pictures, strict=True):
        assert client.get(one["links"]["self"]).get_json() == one
        assert client.get(one["links"]["image"]).data == picture
    assert client.get(later["links"]["self"]).status_code == 404
    restored = services(own).audit.page(AuditQuery(action="restore"))
    assert [(one.actor, one.via) for one in restored] == [("operator", "command")]
    assert services(own).audit.verify().fault == ""


def test_a_restore_over_what_is_there_says_where_it_went(
    own: Flask, send: Callable[..., Any], radiograph_png: bytes, tmp_path: Path
) -> None:
    send(own.test_client(), radiograph_png)
    file = tmp_path / "backup.tar"
    run(own, "backup", file)
    services(own).store.close()
    refused = run(own, "restore", file)
    assert refused.exit_code == 1
    assert "With --replace it is moved aside" in refused.output
    result = run(own, "restore", file, "--replace")
    assert result.exit_code == 0
    assert f"What was there before is {tmp_path / 'var' / 'films.before-'}" in result.output


def test_purge_deletes_by_age_and_says_how_many(
    own: Flask, send: Callable[..., Any], radiograph_png: bytes, tmp_path: Path
) -> None:
    client = own.test_client()
    for _ in range(2):
        send(client, radiograph_png)
    result = run(own, "purge", "--older-than", "90d")
    assert result.output == "0 readings deleted, and 0 films that had none.\n"
    assert len(list(tmp_path.glob("var/films/*/*"))) == 2
    assert run(own, "purge", "--older-than", "sometime").output.startswith("Error: The age is")


def test_a_database_server_is_left_to_its_own_tools(
    make_app: Callable[..., Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_app(start=False)
    monkeypatch.setattr(type(services(own).store), "database_path", None)
    result = run(own, "backup", tmp_path / "backup.tar")
    assert result.exit_code == 1
    assert "pg_dump" in result.output


def test_the_films_of_a_server_without_a_key_are_encrypted_by_a_command(
    make_app: Callable[..., Flask], send: Callable[..., Any], radiograph_png: bytes, tmp_path: Path
) -> None:
    key_file = tmp_path / "film.key"
    before = make_app()
    made = json.loads(send(before.test_client(), radiograph_png).data)
    picture = before.test_client().get(made["links"]["image"]).data
    key_file.write_text(base64.b64encode(bytes(range(32))).decode())
    own = make_app(film_key_file=str(key_file), start=False)
    result = run(own, "rotate-keys")
    assert (result.exit_code, result.output) == (
        0,
        "Films encrypted by the key 88e47e99: 1 now, 0 before.\n",
    )
    assert own.test_client().get(made["links"]["image"]).data == picture
    result = run(own, "backup", tmp_path / "backup.tar")
    assert "encrypted by the key 88e47e99, which is not in it" in result.output

    key_file.unlink()
    answer = own.test_client().get(made["links"]["image"])
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (503, "film_locked")
    assert "Retry-After" in answer.headers
    result = run(own, "rotate-keys")
    assert result.exit_code == 1
    assert "Nothing is lost" in result.output
