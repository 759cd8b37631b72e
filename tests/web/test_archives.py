"""ZIP archives and discs as a batch, by the page, its script and the API."""

import html
import io
import json
import re
import threading

import pytest

from app import create_app
from pneumonia.analysis.predictor import Predictor
from pneumonia.analysis.service import AnalysisService
from pneumonia.web import batches
from tests.dicom.jane import film
from tests.dicom_files import pack, pack_directory
from tests.running import settings_for
from tests.web.test_batches import BATCH, lines, send_whole

CT = "1.2.840.10008.5.1.4.1.1.2"
DX = "1.2.840.10008.5.1.4.1.1.1.1"


@pytest.fixture(scope="module")
def archive(radiograph_png) -> bytes:
    return pack({"Meier/a.png": radiograph_png, "notes.txt": b"no film", "b.png": radiograph_png})


def post(client, token, data: bytes, position: int = 1, name: str = "films.zip", **fields):
    fields = {"csrf_token": token(client), "image": (io.BytesIO(data), name), **fields}
    return client.post(
        f"/batches/{BATCH}/{position}",
        data=fields,
        content_type="multipart/form-data",
    )


def send(client, *files: tuple[bytes, str], **fields):
    data = {"image": [(io.BytesIO(content), name) for content, name in files], **fields}
    return client.post("/api/v1/batches", data=data, content_type="multipart/form-data")


def test_the_form_reads_what_is_in_an_archive(client, token, archive, radiograph_png) -> None:
    response = send_whole(client, token, [(archive, "films.zip")], reference="Ward 3")
    page = client.get(response.headers["Location"]).get_data(as_text=True)
    assert lines(page) == [(1, "read"), (2, "refused"), (3, "read")]
    assert "Meier" not in page
    mixed = send_whole(client, token, [(radiograph_png, "x"), (archive, "y"), (b"", "z")])
    page = client.get(mixed.headers["Location"]).get_data(as_text=True)
    assert [outcome for _, outcome in lines(page)] == ["read", "read", "refused", "read", "refused"]


def test_names_are_kept_where_the_sender_says_so(client, token, archive) -> None:
    response = send_whole(client, token, [(archive, "films.zip")], name_as_reference="1")
    page = client.get(response.headers["Location"]).get_data(as_text=True)
    assert re.findall(r"data-name>([^<]+)<", page) == ["a.png", "notes.txt", "b.png"]


def test_the_script_gets_a_line_with_its_name_for_each_film(make_app, token, archive) -> None:
    client = make_app().test_client()
    response = post(client, token, archive, 4)
    assert response.status_code == 201
    text = response.get_data(as_text=True)
    assert lines(text) == [(4, "read"), (5, "refused"), (6, "read")]
    assert re.findall(r"data-name>([^<]+)<", text) == ["a.png", "notes.txt", "b.png"]
    assert "a.png" not in client.get(f"/batches/{BATCH}").get_data(as_text=True)
    again = post(client, token, archive, 4)  # as where no answer came
    assert lines(again.get_data(as_text=True)) == lines(text)
    assert client.get("/api/v1/readings").get_json()["total"] == 2


def test_an_archive_that_leads_out_of_the_batch_is_refused_whole(client, token, archive) -> None:
    assert post(client, token, archive, batches.MAX_POSITION - 1).status_code == 400


def test_an_archive_that_cannot_be_opened_is_one_line(make_app, token, archive) -> None:
    client = make_app().test_client()
    text = post(client, token, archive[:200]).get_data(as_text=True)
    assert lines(text) == [(1, "refused")]
    assert "The ZIP archive cannot be opened: it is cut off or damaged" in text


def test_the_api_answers_with_every_film(client, archive, radiograph_png) -> None:
    response = send(client, (archive, "films.zip"), (radiograph_png, "c.png"), reference="W")
    body = response.get_json()
    assert response.status_code == 201
    assert (body["read"], body["refused"]) == (3, 1)
    assert [one["name"] for one in body["films"]] == ["Meier/a.png", "notes.txt", "b.png", "c.png"]
    assert body["films"][1]["reading"] is None
    assert body["films"][1]["error"]["code"] == "unsupported_format"
    assert body["films"][0]["reading"]["batch"] == body["id"]
    again = client.get(response.headers["Location"]).get_json()
    for kept, sent in zip(again["films"], body["films"], strict=True):
        assert kept == sent | {"name": None}
    assert client.get(body["links"]["page"]).status_code == 200


@pytest.mark.parametrize("files", [[], [(b"", "")]])
def test_the_api_says_where_nothing_was_sent(client, files, problem) -> None:
    assert "a ZIP archive of films" in problem(send(client, *files), 400, "no_image")


def test_more_films_than_are_taken_at_once_are_refused_whole(client, problem) -> None:
    many = pack({f"{n}.png": b"x" for n in range(batches.MAX_FILES + 1)})
    detail = problem(send(client, (many, "films.zip")), 400, "bad_parameter")
    assert detail.startswith("101 files were sent; at most 100 are taken at once.")


def test_each_film_of_an_archive_counts_as_an_upload(make_app, archive) -> None:
    client = make_app(rate_limit="5 per hour").test_client()
    assert send(client, (archive, "a.zip")).status_code == 201
    assert send(client, (archive, "a.zip")).status_code == 429


def test_a_disc_is_read_by_its_directory(client) -> None:
    directory = pack_directory([("IMAGE", ["IMG", "A"], DX), ("IMAGE", ["IMG", "B"], CT)])
    disc = pack({"DICOMDIR": directory, "IMG/A": film(), "IMG/B": b"x", "RUN.EXE": b"MZ"})
    body = send(client, (disc, "disc.zip")).get_json()
    assert [(one["name"], one["error"] and one["error"]["code"]) for one in body["films"]] == [
        ("IMG/A", None),
        ("DICOMDIR", "left_aside"),
    ]
    assert "1 of the kind CT Image Storage" in body["films"][1]["error"]["detail"]
    assert "Doe" not in json.dumps(body)


def test_the_script_learns_from_a_directory_what_to_send(make_app, token) -> None:
    client = make_app().test_client()
    directory = pack_directory([("IMAGE", ["IMG", "A&1"], DX), ("IMAGE", ["IMG", "B"], CT)])
    response = post(client, token, directory, name="DICOMDIR")
    text = response.get_data(as_text=True)
    assert response.status_code == 422
    assert lines(text) == [(1, "refused")]
    (films,) = re.findall(r'data-films="([^"]+)"', text)
    assert json.loads(html.unescape(films)) == ["IMG/A&1"]
    assert "Left aside as no X-ray picture: 1 of the kind CT Image Storage." in text


def test_an_archive_waits_for_the_model_and_keeps_no_refusal(
    tiny_bundle, tmp_path, token, archive
) -> None:
    may_load = threading.Event()

    def load() -> Predictor:
        assert may_load.wait(60)
        return Predictor.load(tiny_bundle, "cpu", 1)

    service = AnalysisService(load, max_batch=4, queue_size=8, wait_s=30, timeout_s=30)
    client = create_app(settings_for(tiny_bundle, tmp_path / "var"), service).test_client()
    for response in (post(client, token, archive), send(client, (archive, "films.zip"))):
        assert response.status_code == 503
        assert "Retry-After" in response.headers
    assert lines(client.get(f"/batches/{BATCH}").get_data(as_text=True)) == []
    may_load.set()
    assert service.wait(60) == "ready"
    assert lines(post(client, token, archive).get_data(as_text=True)) == [
        (1, "read"), (2, "refused"), (3, "read"),
    ]  # fmt: skip
    service.close()
