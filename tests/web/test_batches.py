"""Many films at once: each with its own answer, gathered on a page that a reload does not lose."""

import html
import io
import re
from datetime import timedelta

import pytest

from pneumonia.web import batches, uploads
from pneumonia.web.services import services

BATCH = "ab" * 16


def post(client, token, data: bytes | None, position: int, batch: str = BATCH, **fields):
    fields = {"csrf_token": token(client), **fields}
    if data is not None:
        fields["image"] = (io.BytesIO(data), "Meier, A.png")
    return client.post(
        f"/batches/{batch}/{position}", data=fields, content_type="multipart/form-data"
    )


def send_whole(client, token, files: list[tuple[bytes, str]], **fields):
    data = {"csrf_token": token(client), **fields}
    data["image"] = [(io.BytesIO(content), name) for content, name in files]
    return client.post("/", data=data, content_type="multipart/form-data")


def lines(page: str) -> list[tuple[int, str]]:
    found = re.findall(r'<li value="(\d+)" data-position="\d+" data-outcome="(\w+)"', page)
    return [(int(position), outcome) for position, outcome in found]


@pytest.fixture
def client(make_app):
    return make_app().test_client()


# --- as the page's script sends them -----------------------------------------------------------


def test_a_film_is_answered_by_its_line_and_kept_in_its_batch(
    client, token, radiograph_png
) -> None:
    response = post(client, token, radiograph_png, 3, reference="A-7")
    assert response.status_code == 201
    line = response.get_data(as_text=True)
    assert lines(line) == [(3, "read")]
    assert "A-7" in line
    assert line.lstrip().startswith("<li")
    body = client.get(f"/api/v1/readings?batch={BATCH}").get_json()["readings"]
    assert [(one["batch"], one["reference"]) for one in body] == [(BATCH, "A-7")]
    assert f"/readings/{body[0]['id']}?batch={BATCH}&amp;sort=oldest" in line


def test_a_refused_file_says_why_stops_nothing_and_stays_on_the_page(
    client, token, radiograph_png
) -> None:
    assert post(client, token, radiograph_png, 1).status_code == 201
    refused = post(client, token, b"no film at all", 2)
    assert refused.status_code == 415
    assert lines(refused.get_data(as_text=True)) == [(2, "refused")]
    assert post(client, token, radiograph_png, 3).status_code == 201
    page = client.get(f"/batches/{BATCH}").get_data(as_text=True)
    assert lines(page) == [(1, "read"), (2, "refused"), (3, "read")]
    assert "3 files: 2 read, 1 not read" in page
    assert "This kind of file is not accepted" in page
    assert "Meier" not in page  # a file's name is not kept unless the sender says so


def test_a_file_that_is_read_at_last_is_refused_no_more(client, token, radiograph_png) -> None:
    post(client, token, b"no film at all", 1)
    post(client, token, radiograph_png, 1)
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == [(1, "read")]


def test_the_name_is_kept_where_the_sender_says_so(client, token, radiograph_png) -> None:
    post(client, token, radiograph_png, 1, name_as_reference="1")
    post(client, token, b"no film", 2, name_as_reference="1")
    page = client.get(f"/batches/{BATCH}").get_data(as_text=True)
    assert page.count("Meier, A.png") == 2
    assert client.get("/api/v1/readings?reference=Meier").get_json()["total"] == 1


def test_what_may_pass_is_not_kept_but_said_with_the_time_to_wait(
    make_app, token, radiograph_png
) -> None:
    client = make_app(rate_limit="1 per hour").test_client()
    assert post(client, token, radiograph_png, 1).status_code == 201
    response = post(client, token, radiograph_png, 2)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 3000
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == [(1, "read")]


def test_a_file_too_large_to_be_sent_is_refused_by_its_size(make_app, token) -> None:
    client = make_app(max_upload_bytes=2**20).test_client()
    response = post(client, token, None, 1, bytes=str(2**20 + 1))
    assert response.status_code == 413
    page = client.get(f"/batches/{BATCH}").get_data(as_text=True)
    assert "The upload is larger than 1 MB" in page


@pytest.mark.parametrize(
    ("batch", "position", "status"),
    [("ab", 1, 404), ("AB" * 16, 1, 404), (BATCH, 0, 400), (BATCH, batches.MAX_POSITION + 1, 400)],
)
def test_what_is_no_place_in_a_batch_is_refused(
    client, token, radiograph_png, batch, position, status
) -> None:
    assert post(client, token, radiograph_png, position, batch).status_code == status
    assert client.get("/api/v1/readings").get_json()["total"] == 0


def test_a_batch_needs_the_form_of_the_page(client, radiograph_png) -> None:
    data = {"image": (io.BytesIO(radiograph_png), "x.png")}
    assert client.post(f"/batches/{BATCH}/1", data=data).status_code == 400


def test_a_batch_that_is_not_there_says_so(client) -> None:
    response = client.get(f"/batches/{'0' * 32}")
    assert response.status_code == 200
    assert "Nothing of this batch is here" in response.get_data(as_text=True)


# --- as a browser without JavaScript sends them --------------------------------------------------


def test_a_whole_form_is_read_file_by_file(client, token, radiograph_png) -> None:
    files = [
        (radiograph_png, "a.png"),
        (b"no film", "b.png"),
        (b"", "c.png"),
        (radiograph_png, "d"),
    ]
    response = send_whole(client, token, files, reference="Ward 3")
    assert response.status_code == 303
    assert re.fullmatch(r"/batches/[0-9a-f]{32}", response.headers["Location"])
    page = client.get(response.headers["Location"]).get_data(as_text=True)
    assert lines(page) == [(1, "read"), (2, "refused"), (3, "refused"), (4, "read")]
    assert page.count("Ward 3") == 4
    assert "The file is empty" in page


def test_more_films_than_are_taken_at_once_are_refused_whole(client, token, monkeypatch) -> None:
    monkeypatch.setattr(batches, "MAX_FILES", 2)
    response = send_whole(client, token, [(b"x", f"{n}.png") for n in range(3)])
    assert response.status_code == 400
    text = html.unescape(response.get_data(as_text=True))
    assert "3 files were sent; at most 2 are taken at once." in text


def test_as_many_files_as_are_taken_fit_into_a_form(client, token) -> None:
    files = [(b"no film", f"{n}.png") for n in range(uploads.MAX_FILES)]
    response = send_whole(client, token, files, population="unknown", reference="x")
    assert response.status_code == 303
    page = client.get(response.headers["Location"]).get_data(as_text=True)
    assert len(lines(page)) == uploads.MAX_FILES


def test_each_file_of_a_form_counts_as_an_upload(make_app, token) -> None:
    client = make_app(rate_limit="3 per hour").test_client()
    assert send_whole(client, token, [(b"x", "a"), (b"x", "b")]).status_code == 303
    assert send_whole(client, token, [(b"x", "a"), (b"x", "b")]).status_code == 429


# --- afterwards ---------------------------------------------------------------------------------


def test_what_was_refused_is_forgotten_with_time(client, token, monkeypatch) -> None:
    post(client, token, b"no film", 1)
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == [(1, "refused")]
    monkeypatch.setattr("pneumonia.records.worklist.KEPT", timedelta(0))
    services(client.application).worklist.purge()  # as the housekeeping does
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == []


def test_a_deleted_reading_leaves_its_batch(client, token, radiograph_png) -> None:
    post(client, token, radiograph_png, 1)
    post(client, token, radiograph_png, 2)
    first = client.get(f"/api/v1/readings?batch={BATCH}&sort=oldest").get_json()["readings"][0]
    data = {"csrf_token": token(client, "/worklist"), "act": "delete", "reading": first["id"]}
    client.post("/worklist", data=data)
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == [(2, "read")]
