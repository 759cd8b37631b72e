"""The queue as a page and as JSON: what waits, what failed and why, and the two buttons."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.errors import DamagedImage, PeerUnreachable
from pneumonia.records import Queue, Source, State
from pneumonia.records.user import Role
from pneumonia.web.services import services
from tests.people import add_person, log_in, post
from tests.running import running


@pytest.fixture
def films(app: Flask) -> Queue:
    """One film at each of three states."""
    queue = services(app).queue
    for number in range(3):
        queue.add(b"film", f"{number:064x}", Source.C_STORE, "CR_ROOM_2", "10.0.0.7")
    newest, _, oldest = queue.page(list(State), limit=9)
    queue.note_failure(newest.id, DamagedImage("It is cut off."), for_good=True)
    for _ in queue.take(State.RECEIVED, 1):
        queue.note_failure(oldest.id, PeerUnreachable("Nobody answers."), for_good=False)
    return queue


def states(queue: Queue) -> dict[str, int]:
    return {state.value: count for state, count in queue.counts().items() if count}


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_says_what_waits_and_what_failed_and_why(
    client: FlaskClient, films: Queue
) -> None:
    page = text_of(client.get("/queue").get_data(as_text=True))
    assert "Waiting (2)" in page
    assert "Failed (1)" in page
    assert "It is cut off." in page
    assert "CR_ROOM_2 by DICOM" in page
    assert "2 films wait and nothing is lost" in page  # nobody works in this test
    with films.only_worker():
        assert "Nobody works" not in client.get("/queue").get_data(as_text=True)
    failed = text_of(client.get("/queue?state=failed").get_data(as_text=True))
    assert "Try again film 3" in failed
    assert "Try all" not in failed  # there is one
    assert "Nobody answers." not in failed
    assert client.get("/queue?state=lost").status_code == 400
    assert client.get("/queue?before=x").status_code == 400


def test_an_empty_queue_says_how_films_get_there(client: FlaskClient) -> None:
    assert "flask listen" in client.get("/queue").get_data(as_text=True)


def test_a_film_is_tried_again_or_given_up(client: FlaskClient, films: Queue) -> None:
    (failed,) = films.page([State.FAILED], limit=9)
    post(client, "/queue", film=failed.id, do="retry")
    assert states(films) == {"received": 3}
    answer = post(client, "/queue?state=failed", page="/queue?state=", film=failed.id, do="give-up")
    assert answer.headers["Location"] == "/queue?state=failed"
    assert states(films) == {"received": 2, "given up": 1}
    assert post(client, "/queue", film=failed.id, do="retry").status_code == 404
    assert post(client, "/queue", do="anything").status_code == 400
    assert client.post("/queue", data={"do": "give-up"}).status_code == 400  # no CSRF token


def test_all_that_failed_is_tried_again_at_once(client: FlaskClient, films: Queue) -> None:
    for item in films.page([State.RECEIVED], limit=9):
        films.note_failure(item.id, DamagedImage("It is cut off."), for_good=True)
    assert "Try all 3 again" in client.get("/queue?state=failed").get_data(as_text=True)
    post(client, "/queue", page="/queue?state=failed", do="retry")
    assert states(films) == {"received": 3}


def test_programs_see_the_same(client: FlaskClient, films: Queue) -> None:
    body = client.get("/api/v1/queue").get_json()
    assert body["counts"] == {"received": 2, "read": 0, "done": 0, "failed": 1, "given up": 0}
    assert body["worker"] is False
    newest = body["films"][0]
    assert newest["error"] == {"code": "damaged_image", "detail": "It is cut off."}
    assert (newest["state"], newest["next_at"], newest["reading"]) == ("failed", None, None)
    assert [film["number"] for film in body["films"]] == [3, 2, 1]
    waiting = client.get("/api/v1/queue?state=waiting&before=2").get_json()
    assert [film["number"] for film in waiting["films"]] == [1]


def test_a_long_queue_has_pages(client: FlaskClient, app: Flask) -> None:
    for number in range(101):
        services(app).queue.add(b"film", f"{number:064x}", Source.FOLDER)
    first = client.get("/api/v1/queue").get_json()
    assert first["links"]["next"] == "/api/v1/queue?before=2"
    assert len(client.get(first["links"]["next"]).get_json()["films"]) == 1
    assert "before=2" in client.get("/queue").get_data(as_text=True)


@pytest.fixture
def clinic(tiny_bundle: Path, tmp_path: Path) -> Iterator[Flask]:
    with running(tiny_bundle, tmp_path / "clinic", accounts="required") as app:
        yield app


def test_only_administrators_see_it(clinic: Flask) -> None:
    for role, status in ((Role.REVIEWER, 403), (Role.ADMINISTRATOR, 200)):
        add_person(clinic, role.value, role)
        client = clinic.test_client()
        log_in(client, role.value)
        assert client.get("/queue").status_code == status
        assert client.get("/api/v1/queue").status_code == status
