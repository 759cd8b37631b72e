"""The report of a reading on one page of PDF, and many of them as a ZIP."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader

from pneumonia.records import Opinion, OtherFinding, Review
from pneumonia.web.reports import MOST
from pneumonia.web.services import services

Token = Callable[..., str]


def text_of(pdf: bytes) -> str:
    """All text of a PDF that has one page."""
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return re.sub(r"\s+", " ", reader.pages[0].extract_text())


def add(client: FlaskClient, png: bytes, reference: str = "") -> dict[str, Any]:
    form = {"image": (io.BytesIO(png), "film.png"), "reference": reference}
    found: dict[str, Any] = client.post("/api/v1/readings", data=form).get_json()
    return found


def review(app: Flask, reading_id: str, note: str) -> None:
    services(app).reviews.add(
        reading_id,
        Review(datetime.now(UTC), "Dr. Müller", Opinion.UNSURE, (OtherFinding.EFFUSION,), note),
    )


def test_it_says_what_the_page_says(make_app: Any, make_bundle: Any, radiograph_png: bytes) -> None:
    app = make_app(bundle=make_bundle(0.0), longest_wait_s=60.0)
    client = app.test_client()
    found = add(client, radiograph_png, "Š. Öztürk 12")
    review(app, found["id"], "Pleural effusion left.")
    answer = client.get(found["links"]["report_pdf"])
    assert answer.content_type == "application/pdf"
    assert answer.headers["Cache-Control"] == "private, no-store"
    text = text_of(answer.data)
    assert text.startswith(
        "Research use only. Not a diagnosis. The model was trained on films of drawn chests; it is "
        "not for others. Reference: Š. Öztürk 12"
    )
    for words in (
        "Pneumonia. Patient not stated",
        "confidence in this label",
        "Film with map",
        "not an outline of disease",
        "Unsure. Dr. Müller",
        "Other findings: pleural effusion.",
        "Note: Pleural effusion left.",
        found["id"],
        found["model"]["sha256"],
        "balanced: threshold 0.0000",
        "Patient Reader Date and signature",
    ):
        assert words in text, words
    assert len(PdfReader(io.BytesIO(answer.data)).pages[0].images) == 2
    assert client.get(f"{found['links']['page']}/report.pdf").data == answer.data
    assert f"{found['links']['page']}/report.pdf" in client.get(found["links"]["page"]).text


def test_a_normal_film_has_one_picture_and_no_map(
    make_app: Any, make_bundle: Any, radiograph_png: bytes
) -> None:
    client = make_app(bundle=make_bundle(1.0), longest_wait_s=60.0).test_client()
    answer = client.get(add(client, radiograph_png)["links"]["report_pdf"])
    text = text_of(answer.data)
    assert "Normal" in text
    assert "below the operating point. Other disease is not looked for." in text
    assert "Film with map" not in text
    assert "Review" not in text
    assert len(PdfReader(io.BytesIO(answer.data)).pages[0].images) == 1


def test_the_longest_note_stays_on_the_page(
    app: Flask, client: FlaskClient, radiograph_png: bytes
) -> None:
    found = add(client, radiograph_png)
    review(app, found["id"], "\n".join(["<b>A line & more</b>"] * 95) + "\nthe end")
    text = text_of(client.get(found["links"]["report_pdf"]).data)
    assert "<b>A line & more</b>" in text
    assert "the end" in text
    assert "Date and signature" in text


def test_what_cannot_be_set_is_not_set_wrongly(client: FlaskClient, radiograph_png: bytes) -> None:
    text = text_of(client.get(add(client, radiograph_png, "أحمد 4")["links"]["report_pdf"]).data)
    assert "Reference: (written from right to left, which this report cannot set" in text


def test_without_its_film_it_is_a_report_all_the_same(
    app: Flask, client: FlaskClient, radiograph_png: bytes
) -> None:
    found = add(client, radiograph_png)
    folder = services(app).settings.data_dir / "films"
    (folder / found["id"][:2] / f"{found['id']}.png").unlink()
    text = text_of(client.get(found["links"]["report_pdf"]).data)
    assert "The picture of this film is missing from the server." in text


def test_of_no_reading_there_is_no_report(client: FlaskClient, problem: Any) -> None:
    problem(client.get(f"/api/v1/readings/{'0' * 32}/report.pdf"), 404, "reading_not_found")


def tick(client: FlaskClient, token: Token, ids: list[str]) -> Any:
    form = {"csrf_token": token(client, "/worklist"), "act": "reports", "reading": ids}
    return client.post("/worklist", data=form)


def test_ticked_reports_come_in_one_file(
    app: Flask, client: FlaskClient, token: Token, radiograph_png: bytes
) -> None:
    ids = [add(client, radiograph_png, name)["id"] for name in ("one", "two")]
    answer = tick(client, token, ids)
    assert answer.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert [re.fullmatch(r"\d{8}T\d{6}-(\w{32})\.pdf", name)[1] for name in names] == ids
        assert "Reference: two" in text_of(file.read(names[1]))


def test_one_that_cannot_be_written_does_not_stop_the_rest(
    client: FlaskClient, token: Token, radiograph_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumonia.errors import Overloaded
    from pneumonia.web import reports

    bad, good = (add(client, radiograph_png)["id"] for _ in range(2))
    make = reports.make_report

    def busy(reading: Any) -> bytes:
        if reading.id == bad:
            raise Overloaded("No room for a large film in time.")
        return make(reading)

    monkeypatch.setattr(reports, "make_report", busy)
    with zipfile.ZipFile(io.BytesIO(tick(client, token, [bad, good]).data)) as file:
        pdf, note = file.namelist()
        assert good in pdf
        assert file.read(note).decode().startswith(f"{bad}: ")


def test_more_than_are_written_at_once_are_refused(
    client: FlaskClient, token: Token, radiograph_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumonia.web.reports.MOST", 1)
    assert MOST == 200
    ids = [add(client, radiograph_png)["id"] for _ in range(2)]
    answer = tick(client, token, ids)
    assert answer.status_code == 400
    assert "at most 1 reports are put into one file" in answer.get_data(as_text=True)
