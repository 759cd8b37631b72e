"""With accounts: who may delete from the worklist, in whose name one reviews, and what is noted."""

import json
from typing import Any

import pytest
from flask import Flask

from pneumonia.records import Reading
from pneumonia.records.audit import AuditQuery
from pneumonia.records.user import Role
from pneumonia.web.services import services
from tests.people import add_person, log_in, post


@pytest.fixture
def clinic(make_app: Any) -> Flask:
    app: Flask = make_app(accounts="required")
    for role in Role:
        add_person(app, role.value, role)
    return app


def keep(clinic: Flask, radiograph_png: bytes) -> Reading:
    return services(clinic).readings.submit(radiograph_png)


def noted(clinic: Flask, reading: str) -> list[tuple[str, str]]:
    """Who did what to it, the oldest first, but for looks and the upload."""
    entries = services(clinic).audit.page(AuditQuery(reading_id=reading))
    told = [(one.actor, one.action) for one in reversed(entries)]
    return [one for one in told if one[1] not in ("view", "upload")]


def test_a_reader_exports_from_the_worklist_and_deletes_nothing(
    clinic: Flask, radiograph_png: bytes
) -> None:
    reading = keep(clinic, radiograph_png).id
    client = clinic.test_client()
    assert log_in(client, "reader") == 303
    page = client.get("/worklist").get_data(as_text=True)
    assert "Export ticked" in page
    assert "Delete ticked" not in page
    assert "Deleted readings" not in page
    assert post(client, "/worklist", act="export", reading=reading).status_code == 200
    assert post(client, "/worklist", act="delete", reading=reading).status_code == 403
    assert services(clinic).readings.get(reading).id == reading
    actions = [one.action for one in services(clinic).audit.page(AuditQuery(actor="reader"))]
    assert actions.count("export") == 1
    assert actions[0] == "refused"


def test_deleting_and_bringing_back_are_noted(clinic: Flask, radiograph_png: bytes) -> None:
    reading = keep(clinic, radiograph_png).id
    client = clinic.test_client()
    log_in(client, "reviewer")
    assert post(client, "/worklist", act="delete", reading=reading).status_code == 303
    token_from = "/worklist/deleted"
    assert post(client, token_from, act="bring-back", reading=reading).status_code == 303
    assert noted(clinic, reading) == [
        ("reviewer", "delete from the worklist"),
        ("reviewer", "bring back"),
    ]


def test_one_reviews_in_ones_own_name_only(clinic: Flask, radiograph_png: bytes) -> None:
    reading = keep(clinic, radiograph_png).id
    client = clinic.test_client()
    log_in(client, "reviewer")
    page = f"/readings/{reading}"
    assert 'name="reviewer"' not in client.get(page).get_data(as_text=True)
    sent = post(client, f"{page}/reviews", page, opinion="unsure", reviewer="somebody else")
    assert sent.status_code == 303
    (review,) = json.loads(client.get(f"/api/v1{page}/reviews").data)["reviews"]
    assert review["reviewer"] == "reviewer"
    assert noted(clinic, reading) == [("reviewer", "review")]
