"""The page of agreement, its figures by the API, the export, and the page on calibrating."""

import csv
import html
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from pneumonia import reviewed
from pneumonia.analysis.finding import Label, ModelRef, OperatingPoint, PopulationMatch
from pneumonia.records import Opinion, Reading, Review
from pneumonia.records.user import Permission, Role
from pneumonia.web import agreement
from pneumonia.web.services import services
from tests.people import actions, add_person, give_token, log_in
from tests.records.conftest import make_reading
from tests.web.test_headers import Inline
from train.bundle import site

__all__ = ["make_reading"]

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
# Probability, opinion; the threshold is 0.5. A month has 70 films.
SAID = [(0.9, "pneumonia"), (0.2, "no_pneumonia"), (0.8, "no_pneumonia"), (0.7, "unsure")]


@pytest.fixture(scope="module")
def watched(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An app whose tiny model has read 280 films in four months, the first four reviewed."""
    from tests.running import running

    with running(tiny_bundle, tmp_path_factory.mktemp("var")) as app:
        fill(app, make_reading.__wrapped__(), 280)  # type: ignore[attr-defined]
        yield app


def fill(app: Flask, make: Callable[..., Reading], number: int) -> list[Reading]:
    """Readings, one every ten hours; each fourth is of a film that another one is of, too."""
    own, made = services(app), []
    for i in range(number):
        reading = make()
        probability, opinion = SAID[i % 4]
        finding = replace(
            reading.finding,
            probability=probability,
            logit=float(i % 7),
            label=Label.PNEUMONIA if probability >= 0.5 else Label.NORMAL,
            operating_point=OperatingPoint("balanced", 0.5),
            model=ModelRef("tiny", "ab" * 32),
            population="child" if i < 2 else "",
        )
        reading = replace(
            reading,
            created_at=START + timedelta(hours=10 * i),
            finding=finding,
            image=replace(reading.image, sha256=f"{i:064x}"),
            reference="Jane Roe" if i < 2 else "",
        )
        own.store.add(reading, b"a film")
        if i < 4:
            own.reviews.add(reading.id, Review(START, "A. Reader", Opinion(opinion), note="secret"))
        made.append(reading)
    return made


def page_of(client: Any, address: str = "/agreement") -> str:
    return html.unescape(client.get(address).get_data(as_text=True))


def test_the_figures_are_those_of_the_reviews(watched: Flask) -> None:
    told = watched.test_client().get("/api/v1/agreement").get_json()
    assert told["model"] == {"id": "tiny", "sha256": "ab" * 32}
    found = told["agreement"]
    assert (found["readings"], found["reviewed"], found["unsure"]) == (280, 4, 1)
    assert (found["sensitivity"]["count"], found["sensitivity"]["n"]) == (1, 1)
    assert (found["specificity"]["count"], found["specificity"]["n"]) == (1, 2)
    assert found["specificity"]["ci95"] == [0.0945, 0.9055]
    assert [one["begins"] for one in told["periods"]] == [
        "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01",
    ]  # fmt: skip
    assert told["reference"]["films"] == 200
    assert told["periods"][0]["drift"]["shift"] == "too_few"  # all of them are the reference
    assert told["periods"][0]["drift"]["distances"] is None
    assert {one["drift"]["shift"] for one in told["periods"]} == {"too_few", "none"}
    page = page_of(watched.test_client())
    assert "280 films read, 4 of them reviewed; of 1 the last review is unsure" in page
    assert "50 % (9 to 91)" in page
    assert "Compared with the first 200 films here" in page


def test_days_and_patients_narrow_it_and_the_reference_stays(watched: Flask) -> None:
    client = watched.test_client()
    some = client.get("/api/v1/agreement?since=2026-06-01&period=week").get_json()
    assert all(one["begins"] >= "2026-06-01" for one in some["periods"])
    assert some["reference"]["since"] == "2026-03-02"
    assert (
        sum(one["agreement"]["readings"] for one in some["periods"])
        == some["agreement"]["readings"]
    )
    stated = client.get("/api/v1/agreement?population=unknown").get_json()
    assert stated["agreement"]["readings"] == 278
    until = client.get("/api/v1/agreement?until=2026-03-02").get_json()
    assert until["agreement"]["readings"] == 2  # 9:00 and 19:00: the day is one of them


@pytest.mark.parametrize(
    "query",
    [
        "period=year",
        "since=tomorrow",
        "until=9999-12-31",
        "model=none",
        "population=martians",
        "colour=red",
    ],
)
def test_what_cannot_be_asked_is_a_sentence(watched: Flask, problem: Any, query: str) -> None:
    client = watched.test_client()
    problem(client.get(f"/api/v1/agreement?{query}"), 400, "bad_parameter")
    if query != "colour=red":
        page = client.get(f"/agreement?{query}")
        assert (page.status_code, b"Show all readings" in page.data) == (400, True)


def test_nothing_read_nothing_reviewed_and_nothing_inline(
    client: Any, watched: Flask, tiny_bundle: Path
) -> None:
    assert "No film of these has been read by the model <bdi>tiny</bdi>" in page_of(client)
    told = client.get("/api/v1/agreement").get_json()
    assert (told["model"], told["periods"], told["agreement"]["sensitivity"]["ci95"]) == (
        None, [], None,
    )  # fmt: skip
    later = page_of(watched.test_client(), "/agreement?since=2026-05-01")
    assert "None of these films has been reviewed yet." in later
    for address in ("/agreement", "/agreement/calibration"):
        parser = Inline()
        parser.feed(page_of(watched.test_client(), address))
        assert parser.found == []


def test_the_reviewed_films_come_as_a_zip_without_names(watched: Flask) -> None:
    answer = watched.test_client().get("/agreement/reviewed.zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reviewed.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
    assert [row["label"] for row in rows] == ["NORMAL", "NORMAL", "PNEUMONIA"]
    assert all(archive.read(row["file"]) == b"a film" for row in rows)
    assert [row["patient"] for row in rows] == ["", "patient-1", "patient-1"]
    assert [row["logit"] for row in rows] == ["2.0", "1.0", "0.0"]
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert not re.search(b"Jane|secret|A. Reader", everything)
    assert "populations" not in tomllib.loads(archive.read("data.toml").decode())
    assert actions(watched)[-1] == "export"


def test_what_is_too_large_or_not_there_is_no_download(
    client: Any, watched: Flask, problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"path": "/agreement/reviewed.zip", "headers": {"Accept": "application/json"}}
    words = problem(client.get(**asked), 400, "bad_parameter")
    assert words.startswith("There is no reviewed film to export.")
    monkeypatch.setattr(reviewed, "ZIP_BYTES", 10)
    large = watched.test_client().get(**asked)
    assert "flask export-reviewed DIR" in problem(large, 400, "bad_parameter")


def test_of_one_film_the_last_review_counts_and_what_is_left_out_is_counted(
    app: Flask, make_reading: Callable[..., Reading]
) -> None:
    own = services(app)

    def keep(upload: str, opinion: Opinion, outside: bool = False) -> Reading:
        reading = make_reading()
        match = PopulationMatch.NO if outside else PopulationMatch.YES
        reading = replace(
            reading,
            image=replace(reading.image, sha256=upload * 64),
            finding=replace(reading.finding, population_match=match),
        )
        own.store.add(reading, b"a film")
        own.reviews.add(reading.id, Review(START, "A", opinion))
        return reading

    keep("a", Opinion.PNEUMONIA)
    again = keep("a", Opinion.NO_PNEUMONIA)  # the same file, read once more
    keep("b", Opinion.UNSURE)
    keep("c", Opinion.PNEUMONIA, outside=True)
    lost = keep("d", Opinion.PNEUMONIA)
    next(Path(own.settings.data_dir).rglob(f"{lost.id}.png")).unlink()
    found = reviewed.find(own.store)
    assert [one.id for one in found.readings] == [again.id]
    assert (found.unsure, found.outside, found.missing) == (1, 1, 1)
    assert found.left_out.startswith("1 with an unsure last review, 1 outside")


def test_the_page_on_calibrating_starts_nothing_and_shows_what_was_done(
    make_bundle: Callable[..., Path], make_app: Callable[..., Flask]
) -> None:
    bundle = make_bundle()
    app = make_app(bundle=bundle, start=False)
    page = page_of(app.test_client(), "/agreement/calibration")
    assert "0 films can be used" in page
    assert "No model here was calibrated on reviewed films yet." in page
    figure = {"value": 0.5, "ci95": [0.4, 0.6]}
    names = ("sensitivity", "specificity", "missed", "false_alarms", "share_in_band")
    one = {"log_loss": figure, "operating_points": {"balanced": dict.fromkeys(names, figure)}}
    after = one | {"log_loss": {"value": 0.25, "ci95": [0.2, 0.3]}}
    card = json.loads((bundle / "card.json").read_text())
    card["site_calibration"] = {
        "created_at": "2026-03-01T00:00:00Z", "based_on": "tiny", "population": None,
        "films": {"n": 240, "pneumonia": 90}, "before": one, "after": after,
    }  # fmt: skip
    (bundle / "card.json").write_text(json.dumps(card))
    page = page_of(app.test_client(), "/agreement/calibration")
    assert "with 240 reviewed films, 90 of them with pneumonia" in page
    assert "0.250" in page
    assert agreement.MIN_SITE_FILMS == site.MIN_FILMS
    assert agreement.MIN_SITE_EACH == site.MIN_EACH


def test_reviewers_see_it_readers_do_not_and_administrators_export(clinic: Flask) -> None:
    status = {}
    for role in Role:
        add_person(clinic, role.value, role)
        client = clinic.test_client()
        assert log_in(client, role.value) == 303
        status[role] = [
            client.get(path).status_code
            for path in ("/agreement", "/api/v1/agreement", "/agreement/reviewed.zip")
        ]
        assert ('href="/agreement"' in page_of(client, "/worklist")) == (role is not Role.READER)
    assert status == {
        Role.READER: [403, 403, 403],
        Role.REVIEWER: [200, 200, 403],
        Role.ADMINISTRATOR: [200, 200, 400],  # there is nothing to export
    }
    person = add_person(clinic, "program", Role.REVIEWER)
    headers = give_token(clinic, person, Permission.REVIEW)
    assert clinic.test_client().get("/api/v1/agreement", headers=headers).status_code == 200
