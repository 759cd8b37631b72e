"""Whose film it is, asked at the upload and shown with the answer."""

import io

import pytest

from pneumonia.web.services import services
from tests.analysis.test_calibration import POPULATIONS
from tests.dicom.jane import film


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


@pytest.mark.parametrize(
    ("age", "population", "used", "match"),
    [
        ("4", "", "child", "yes"),
        ("4.5", "adult", "child", "yes"),  # years count before the group
        ("57", "child", "adult", "yes"),
        ("30", "other", "adult", "yes"),
        ("10", "child", None, "no"),  # between the two
        ("", "adult", "adult", "yes"),
        ("", "", None, "unknown"),
    ],
)
def test_years_count_before_the_group(client, radiograph_png, age, population, used, match) -> None:
    body = post(client, radiograph_png, age_years=age, population=population).get_json()
    assert (body["population"], body["population_match"]) == (used, match)
    says_so = any("by the age given it is of" in one for one in body["quality"]["warnings"])
    assert says_so == bool(used and population not in ("", used))


def test_an_age_is_not_kept(client, radiograph_png) -> None:
    body = post(client, radiograph_png, age_years="10").get_json()
    (reason,) = body["population_mismatches"]
    assert reason == (
        "The model was calibrated on patients of 1 to 5 and 16 to 120 years; the one given is "
        "another age, so the limits for an unknown age were used."
    )


@pytest.mark.parametrize("age", ["-1", "131", "four", "nan", "4 years", "1e9"])
def test_what_is_no_age_is_refused(client, radiograph_png, age) -> None:
    response = post(client, radiograph_png, age_years=age)
    assert (response.status_code, response.get_json()["code"]) == (400, "bad_parameter")
    assert "a number from 0 to 130" in response.get_json()["detail"]


def test_the_files_age_counts_before_the_one_given(client) -> None:
    body = post(client, film(PatientAge="057Y"), age_years="4").get_json()
    assert body["population"] == "adult"
    said = "The age given is not that in the DICOM file; the file's was used."
    assert said in body["quality"]["warnings"]
    agreed = post(client, film(PatientAge="057Y"), age_years="57.5").get_json()
    assert said not in agreed["quality"]["warnings"]


def test_a_model_for_all_ages_of_its_card_takes_years(make_app, radiograph_png) -> None:
    client = make_app().test_client()  # of people of 1 to 99
    assert 'name="age_years"' in client.get("/").get_data(as_text=True)
    inside = post(client, radiograph_png, age_years="30").get_json()
    outside = post(client, radiograph_png, age_years="0.5").get_json()
    assert (inside["population_match"], outside["population_match"]) == ("yes", "no")
    assert "It was said that the patient is not 1 to 99 years old" in str(outside["quality"])


def test_a_reference_comes_from_the_accession_number_only_where_the_operator_says_so(
    make_app,
) -> None:
    client = make_app().test_client()
    assert post(client, film()).get_json()["reference"] is None


def test_the_accession_number_is_the_reference_where_the_sender_gives_none(make_app) -> None:
    client = make_app(accession_as_reference=True).test_client()
    assert post(client, film()).get_json()["reference"] == "A-17"
    assert post(client, film("deflated"), reference="mine").get_json()["reference"] == "mine"
    assert post(client, film(AccessionNumber="")).get_json()["reference"] is None
    assert post(client, film(AccessionNumber="A\n<b>17")).get_json()["reference"] == "A<b>17"
