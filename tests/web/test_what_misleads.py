"""What a page or an answer must not let anybody believe: of whose film it is, and of which film."""

import io
import json

import cv2
import numpy as np
import pytest

from pneumonia.imaging.display import decode_png, encode_png
from pneumonia.web.services import services
from tests.analysis.test_calibration import POPULATIONS


@pytest.fixture
def client(make_app, make_bundle):
    return make_app(bundle=make_bundle(populations=POPULATIONS)).test_client()


def post(client, png: bytes, **fields):
    data = {"image": (io.BytesIO(png), "film.png"), **fields}
    return client.post("/api/v1/readings", data=data)


def send_form(client, token, png: bytes, name: str = "film.png", **fields):
    data = {"image": (io.BytesIO(png), name), "csrf_token": token(client), **fields}
    return client.post("/", data=data, content_type="multipart/form-data")


@pytest.mark.parametrize(
    ("said", "match"), [("adult", "yes"), ("other", "no"), ("unknown", "unknown"), ("", "unknown")]
)
def test_whether_the_model_knows_such_films_is_told_and_kept(
    client, radiograph_png, said, match
) -> None:
    body = post(client, radiograph_png, population=said).get_json()
    assert body["population_match"] == match
    assert bool(body["population_mismatches"]) == (match == "no")
    assert client.get(body["links"]["self"]).get_json() == body


def test_outside_what_the_model_knows_the_number_gives_way_to_the_reason(
    client, radiograph_png
) -> None:
    body = post(client, radiograph_png, population="other").get_json()
    page = client.get(body["links"]["page"]).get_data(as_text=True)
    before, _, folded = page.partition('<details class="on-demand">')
    assert '<h1 id="verdict">Outside what this model knows</h1>' in before
    assert "<title>Outside what this model knows" in before
    assert "The film was said to be of none of those the model knows" in before
    assert "probability of" not in before
    assert "probability of" in folded


def test_what_was_not_stated_stands_beside_the_verdict(client, radiograph_png) -> None:
    for said, shown in [("unknown", True), ("adult", False)]:
        body = post(client, radiograph_png, population=said).get_json()
        page = client.get(body["links"]["page"]).get_data(as_text=True)
        assert ('<p class="not-stated">Patient not stated</p>' in page) == shown


def test_the_answer_is_remembered_for_the_next_upload(client, token, radiograph_png) -> None:
    send_form(client, token, radiograph_png, population="adult")
    page = client.get("/").get_data(as_text=True)
    assert 'value="adult" checked' in page
    assert "Kept from your last upload" in page


def test_a_reference_and_the_name_of_the_file_tell_films_apart(
    client, token, radiograph_png
) -> None:
    name = "room 2/MK-front.png"
    location = send_form(client, token, radiograph_png, name, reference=" MK 1187 ").location
    for place in (location, "/"):
        assert "MK 1187" in client.get(place).get_data(as_text=True)
    assert "MK-front.png" in client.get(location).get_data(as_text=True)
    stranger = client.application.test_client()
    seen = stranger.get(location).get_data(as_text=True)
    assert "MK 1187" in seen
    assert "MK-front" not in seen


@pytest.mark.parametrize("reference", ["x" * 65, "two\nlines"])
def test_a_reference_is_one_short_line(client, radiograph_png, reference) -> None:
    response = post(client, radiograph_png, reference=reference)
    assert response.get_json()["code"] == "bad_parameter"


def test_a_refusal_says_of_which_film(client, token) -> None:
    page = send_form(client, token, b"no picture", "MK-front.png", reference="MK 1187")
    assert page.status_code == 415
    assert "MK 1187, MK-front.png" in page.get_data(as_text=True)


def test_a_sample_is_marked_on_its_page_in_the_list_and_in_json(client, token) -> None:
    data = {"csrf_token": token(client)}
    location = client.post("/samples/opacity-1", data=data).location
    for place in (location, "/"):
        assert '<span class="tag">Synthetic</span>' in client.get(place).get_data(as_text=True)
    assert client.get(f"/api/v1{location}").get_json()["synthetic"] is True


def test_the_list_says_what_the_number_is(client, token, radiograph_png) -> None:
    send_form(client, token, radiograph_png, population="adult")
    entry = client.get("/").get_data(as_text=True).partition('class="recent-list"')[2]
    assert '<span class="soft">probability of pneumonia ' in entry


def test_a_missing_picture_says_so(client, token, radiograph_png) -> None:
    location = send_form(client, token, radiograph_png).location
    store = services(client.application).store
    store._radiographs.path(location.rpartition("/")[2]).unlink()
    page = client.get(location).get_data(as_text=True)
    assert "The picture of this reading is missing from the server" in page
    assert "image.png" not in page.partition("</section>")[0].partition('class="viewer"')[2]
    assert "no picture" in client.get("/").get_data(as_text=True)


def test_a_thumbnail_is_small_and_keeps_the_shape(client, radiograph_png) -> None:
    links = post(client, radiograph_png).get_json()["links"]
    small = decode_png(client.get(links["thumbnail"]).data)
    assert small.shape == (160, 139)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_film_is_turned_before_it_is_read(client, radiograph_png, turn) -> None:
    lying = np.ascontiguousarray(np.rot90(decode_png(radiograph_png), turn // 90))
    body = post(client, encode_png(lying), turn=str(turn)).get_json()
    upright = post(client, radiograph_png).get_json()
    assert body["probability"] == upright["probability"]
    assert f"turned by {turn} degrees clockwise before reading" in body["quality"]["warnings"][0]
    assert client.get(body["links"]["image"]).data == client.get(upright["links"]["image"]).data


def test_a_film_is_turned_by_quarters_only(client, radiograph_png) -> None:
    assert post(client, radiograph_png, turn="45").get_json()["code"] == "bad_parameter"


def test_the_refusal_of_a_turned_film_says_which_turn_mends_it(
    make_app, shipped_bundle, token
) -> None:
    client = make_app(bundle=shipped_bundle).test_client()
    upright = cv2.imdecode(np.frombuffer(client.get("/samples/clear-1.png").data, np.uint8), 0)
    lying = encode_png(np.ascontiguousarray(np.rot90(upright)))
    refusal = json.loads(post(client, lying).data)
    assert (refusal["code"], refusal["turn"]) == ("film_turned", 90)
    page = send_form(client, token, lying).get_data(as_text=True)
    assert '<option value="90" selected>' in page
    assert post(client, lying, turn=str(refusal["turn"])).status_code == 201
