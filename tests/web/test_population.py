"""Whose film it is, asked at the upload and shown with the answer."""

import io

import pytest

from pneumonia.web.services import services
from tests.analysis.test_calibration import POPULATIONS


@pytest.fixture
def client(make_app, make_bundle):
    return make_app(bundle=make_bundle(populations=POPULATIONS)).test_client()


def post(client, png: bytes, **fields):
    data = {"image": (io.BytesIO(png), "film.png"), **fields}
    return client.post("/api/v1/readings", data=data)


@pytest.mark.parametrize(
    ("said", "used"), [("adult", "adult"), (" Child ", "child"), ("unknown", None), ("", None)]
)
def test_the_api_reads_by_what_is_said(client, radiograph_png, said, used) -> None:
    body = post(client, radiograph_png, population=said).get_json()
    assert body["population"] == used
    again = client.get(body["links"]["self"]).get_json()
    assert again == body


def test_a_population_that_the_model_does_not_know_is_refused(client, radiograph_png) -> None:
    response = post(client, radiograph_png, population="dog")
    assert response.status_code == 400
    assert response.get_json()["code"] == "bad_parameter"
    assert "the model tells apart: child, adult, other, unknown" in response.get_json()["detail"]


def test_a_model_for_all_takes_none(make_app, radiograph_png) -> None:
    client = make_app().test_client()
    assert post(client, radiograph_png, population="unknown").status_code == 201
    assert post(client, radiograph_png, population="adult").status_code == 400


def test_the_page_asks_only_where_the_model_tells_them_apart(client, make_app) -> None:
    page = client.get("/").get_data(as_text=True)
    assert 'name="population" value="child"' in page
    assert ">people of 1 to 5</small>" in page


def test_the_page_does_not_ask_where_there_is_one_calibration_for_all(make_app) -> None:
    client = make_app().test_client()
    assert services(client.application).analysis.card.populations == {}
    assert 'name="population"' not in client.get("/").get_data(as_text=True)


def test_the_page_says_by_which_limits_it_was_read(client, radiograph_png) -> None:
    for said, words in [
        ("adult", "Read by the limits for films of people of 16 to 120."),
        ("unknown", "Whose film it is was not said (people of 1 to 5 or people of 16 to 120)"),
    ]:
        page = client.get(post(client, radiograph_png, population=said).get_json()["links"]["page"])
        assert words in page.get_data(as_text=True)
