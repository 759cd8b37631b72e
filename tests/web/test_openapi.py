"""The description of the API, held against routes, rights, real answers and made-up requests."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pneumonia.errors import DamagedImage
from pneumonia.records import Source, State
from pneumonia.records.user import SCOPES, Permission
from pneumonia.web.guard import NEEDS, PUBLIC
from pneumonia.web.openapi import load_document
from pneumonia.web.services import services
from tests.dicom.jane import film
from tests.running import running
from tests.web.test_agreement import watched

__all__ = ["watched"]

METHODS = {"get", "post", "put", "patch", "delete"}
CONFORMS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
load_all_checks()


def described() -> dict[tuple[str, str], dict[str, Any]]:
    """Method and path -> operation."""
    paths = load_document()["paths"].items()
    return {
        (method.upper(), path): item[method]
        for path, item in paths
        for method in METHODS & item.keys()
    }


def served(app: Flask) -> dict[tuple[str, str], str]:
    """Method and path of what a program may ask for -> its endpoint."""
    found = {}
    for rule in app.url_map.iter_rules():
        is_file = "." in rule.rule.rpartition("/")[2]
        is_api = rule.rule.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
        # What no token reaches is for people, but for the API's own paths.
        is_for_people = NEEDS.get(rule.endpoint) == Permission.ADMINISTER
        if is_api or (is_file and not is_for_people and rule.endpoint != "static"):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                found[method, path] = rule.endpoint
    return found


def test_every_route_of_the_api_is_described_and_no_other(app: Flask) -> None:
    assert described().keys() == served(app).keys()


def test_the_scope_that_is_described_is_the_right_that_is_asked_for(app: Flask) -> None:
    for where, endpoint in served(app).items():
        security = described()[where]["security"]
        if endpoint in PUBLIC:
            assert security == [], where
        else:
            way = "token" if NEEDS[endpoint] in SCOPES else "log_in"
            assert security == [{}, {way: [NEEDS[endpoint].value]}], where


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from keys(one)


def test_no_sentence_is_cut_off_at_its_comma() -> None:
    """As YAML does in braces where it is not quoted: the rest of it becomes a key."""
    assert {key for key in keys(load_document()) if " " in key} == {State.GIVEN_UP}


def test_programs_get_it_as_json(client: FlaskClient) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    body = answer.get_json()
    assert body["openapi"].startswith("3.1.")
    assert body["servers"] == [{"url": "/"}]
    assert body["paths"].keys() == load_document()["paths"].keys()


def test_people_get_it_as_a_page(client: FlaskClient) -> None:
    page = client.get("/api").get_data(as_text=True)
    for operation in described().values():
        assert f'id="{operation["operationId"]}"' in page
    for target in re.findall(r'href="#(schema-\w+)"', page):
        assert f'id="{target}"' in page, target


# --- real answers ------------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """The same, without room for a field that is not described."""
    if isinstance(schema, dict):
        tight = {"additionalProperties": False} if "properties" in schema else {}
        return {key: closed(inner) for key, inner in schema.items()} | tight
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def from_here(app: Flask) -> Any:
    """The app as it is asked from this computer, as the local mode wants it."""
    return lambda environ, start: app(environ | {"REMOTE_ADDR": "127.0.0.1"}, start)


@pytest.fixture(scope="module")
def strict(app: Flask) -> BaseSchema:
    document = app.test_client().get("/api/v1/openapi.json").get_json()
    document["components"]["schemas"] = closed(document["components"]["schemas"])
    found = schemathesis.openapi.from_dict(document)
    found.app = from_here(app)
    return found


def check(schema: BaseSchema, where: str, method: str, **asked: Any) -> Any:
    """Ask by the description; the answer must be as described. Returns it."""
    case = schema[where][method].Case(**asked)
    answer = case.call()
    case.validate_response(answer, checks=CONFORMS)
    return answer


def test_the_answers_hold_what_is_described(
    strict: BaseSchema, client: FlaskClient, send: Any, radiograph_png: bytes
) -> None:
    sent = send(client, radiograph_png)
    strict["/api/v1/readings"]["POST"].validate_response(sent)
    made = sent.get_json()
    own = {"path_parameters": {"reading_id": made["id"]}}
    reading, reviews = "/api/v1/readings/{reading_id}", "/api/v1/readings/{reading_id}/reviews"
    review = {"opinion": "unsure", "findings": ["effusion"], "note": "", "reviewer": "A. B."}
    kind = {"media_type": "application/json"}
    assert check(strict, reviews, "POST", **own, **kind, body=review).status_code == 201
    assert check(strict, reviews, "POST", **own, **kind, body={}).status_code == 400
    assert len(check(strict, reviews, "GET", **own).json()["reviews"]) == 1
    assert check(strict, reading, "GET", **own).json()["review"]["opinion"] == "unsure"
    assert check(strict, "/api/v1/readings", "GET").json()["readings"]
    for file in ("image.png", "overlay.png", "thumbnail.png", "map.png", "report.pdf"):
        assert check(strict, f"/readings/{{reading_id}}/{file}", "GET", **own).status_code == 200
    assert check(strict, f"{reading}/report.pdf", "GET", **own).status_code == 200
    for file in ("levels.png", "capture.dcm", "report.dcm", "segmentation.dcm"):
        assert check(strict, f"/readings/{{reading_id}}/{file}", "GET", **own).status_code == 404
    for path in ("/worklist.csv", "/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"):
        assert check(strict, path, "GET").status_code == 200
    assert check(strict, reading, "DELETE", **own).status_code == 204
    assert check(strict, reading, "DELETE", **own).status_code == 404


def test_what_there_is_of_a_dicom_film_is_as_described(
    strict: BaseSchema, make_bundle: Any, tmp_path: Path, send: Any
) -> None:
    with running(make_bundle(0.0), tmp_path / "var", keep_dicom_study=True) as app:
        sent = send(app.test_client(), film(WindowCenter=128, WindowWidth=100), "film.dcm")
        strict["/api/v1/readings"]["POST"].validate_response(sent)
        assert sent.get_json()["links"].keys() >= {"capture", "report", "segmentation"}
        names = {"reading_id": sent.get_json()["id"]}
        for file in ("levels.png", "capture.dcm", "report.dcm", "segmentation.dcm"):
            case = strict[f"/readings/{{reading_id}}/{file}"]["GET"].Case(path_parameters=names)
            answer = case.call(app=from_here(app))
            case.validate_response(answer, checks=CONFORMS)
            assert answer.status_code == 200, file


def test_a_batch_holds_what_is_described(
    strict: BaseSchema, client: FlaskClient, radiograph_png: bytes
) -> None:
    films = [(io.BytesIO(radiograph_png), "a.png"), (io.BytesIO(b"no film"), "b.txt")]
    sent = client.post("/api/v1/batches", data={"image": films, "age_years": "4.5"})
    strict["/api/v1/batches"]["POST"].validate_response(sent)
    body = sent.get_json()
    assert (sent.status_code, body["read"], body["refused"]) == (201, 1, 1)
    where = {"path_parameters": {"batch": body["id"]}}
    again = check(strict, "/api/v1/batches/{batch}", "GET", **where).json()
    assert [one["name"] for one in again["films"]] == [None, None]


def test_agreement_holds_what_is_described(strict: BaseSchema, watched: Flask) -> None:
    case = strict["/api/v1/agreement"]["GET"].Case(query={"model": "tiny"})
    answer = case.call(app=from_here(watched))
    case.validate_response(answer, checks=CONFORMS)
    assert answer.json()["reference"]
    assert any(period["drift"]["scores"] for period in answer.json()["periods"])


def test_the_queue_holds_what_is_described(strict: BaseSchema, app: Flask) -> None:
    queue = services(app).queue
    for number in range(2):
        queue.add(b"film", f"{number:064x}", Source.C_STORE, "CR_ROOM_2", "10.0.0.7")
    newest, _ = queue.page(list(State), limit=2)
    queue.note_failure(newest.id, DamagedImage("It is cut off."), for_good=True)
    films = check(strict, "/api/v1/queue", "GET").json()["films"]
    assert [one["error"] and one["error"]["code"] for one in films] == ["damaged_image", None]


def test_who_is_not_known_is_told_so_as_described(
    tiny_bundle: Path, tmp_path: Path, strict: BaseSchema
) -> None:
    with running(tiny_bundle, tmp_path / "var", accounts="required") as app:
        for (method, path), operation in described().items():
            if operation["security"]:
                names = dict.fromkeys(re.findall(r"{(\w+)}", path), "0" * 32)
                case = strict[path][method].Case(path_parameters=names)
                answer = case.call(app=app, headers={"Accept": "*/*"})
                case.validate_response(answer, checks=CONFORMS)
                assert answer.status_code == 401, (method, path)


# --- made-up requests ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    with running(tiny_bundle, tmp_path_factory.mktemp("var")) as app:
        document = app.test_client().get("/api/v1/openapi.json").get_json()
        found = schemathesis.openapi.from_dict(document)
        found.app = from_here(app)
        yield found


@pytest.mark.parametrize(("method", "path"), sorted(described()))
def test_made_up_requests_are_answered_as_described(
    fuzzed: BaseSchema, method: str, path: str
) -> None:
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=fuzzed[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CONFORMS)

    ask()


def test_the_film_itself_is_made_up(app: Flask, client: FlaskClient) -> None:
    """As a file that is none; the fuzzing above sends such ones too."""
    answer = client.post("/api/v1/readings", data={"image": (io.BytesIO(b"\x00"), "x")})
    assert answer.mimetype == "application/problem+json"


# --- errors of files ----------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ABSENT = "0" * 32


@pytest.mark.parametrize("accept", ["*/*", "image/avif,image/webp,*/*;q=0.8", "image/png", None])
@pytest.mark.parametrize("file", ["image.png", "overlay.png", "thumbnail.png", "report.dcm"])
def test_the_error_of_a_file_is_a_problem(
    client: FlaskClient, problem: Any, file: str, accept: str | None
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    problem(client.get(f"/readings/{ABSENT}/{file}", headers=headers), 404, "reading_not_found")


def test_a_person_who_opens_a_file_gets_a_page(client: FlaskClient) -> None:
    answer = client.get(f"/readings/{ABSENT}/image.png", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_the_error_of_a_page_is_a_page_for_whoever_takes_anything(client: FlaskClient) -> None:
    answer = client.get(f"/readings/{ABSENT}", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
