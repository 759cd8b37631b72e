"""The pages as a browser without JavaScript walks them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from pneumonia.imaging.display import decode_png
from pneumonia.web.samples import SAMPLES

Token = Callable[..., str]
Upload = Callable[..., Any]


# --- from the form to the reading ---------------------------------------------------------------


def test_the_form_leads_to_the_reading(client: FlaskClient, page: str) -> None:
    response = client.get(page)
    text = response.get_data(as_text=True)
    body = client.get(f"/api/v1{page}").get_json()
    assert response.status_code == 200
    assert body["label"].capitalize() in text
    for shown in (body["model"]["id"], body["model"]["sha256"], body["image"]["sha256"]):
        assert shown in text
    for picture in (body["links"]["image"], f"/api/v1{page}"):
        assert picture in text


def test_the_reading_is_among_the_recent_ones_of_this_browser_only(
    app: Any, client: FlaskClient, page: str
) -> None:
    assert page in client.get("/").get_data(as_text=True)
    assert page not in app.test_client().get("/").get_data(as_text=True)


def test_the_last_eight_are_remembered_newest_first(
    upload: Upload, client: FlaskClient, token: Token, radiograph_png: bytes
) -> None:
    csrf = token(client)
    made = [upload(client, radiograph_png, csrf).headers["Location"] for _ in range(10)]
    shown = re.findall(r'href="(/readings/[0-9a-f]{32})"', client.get("/").get_data(as_text=True))
    assert shown == made[:1:-1]


def test_deleting_leads_home_and_says_so_once(client: FlaskClient, page: str, token: Token) -> None:
    response = client.post(f"{page}/delete", data={"csrf_token": token(client, page)})
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    home = client.get("/").get_data(as_text=True)
    assert "The reading and its picture were deleted." in home
    assert page not in home
    assert "were deleted" not in client.get("/").get_data(as_text=True)
    assert client.get(page).status_code == 404
    assert client.get(f"{page}/image.png").status_code == 404


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_like_any_radiograph(client: FlaskClient, token: Token, name: str) -> None:
    picture = client.get(f"/samples/{name}.png")
    assert picture.mimetype == "image/png"
    assert decode_png(picture.data).shape == (896, 768)
    response = client.post(f"/samples/{name}", data={"csrf_token": token(client)})
    assert response.status_code == 303
    body = client.get(f"/api/v1{response.headers['Location']}").get_json()
    assert (body["image"]["format"], body["image"]["width"]) == ("PNG", 768)


def test_the_samples_are_different_radiographs(client: FlaskClient) -> None:
    assert len({client.get(f"/samples/{name}.png").data for name in SAMPLES}) == len(SAMPLES) == 4


def test_an_unknown_sample_is_404(client: FlaskClient, token: Token) -> None:
    assert client.get("/samples/none.png").status_code == 404
    assert client.post("/samples/none", data={"csrf_token": token(client)}).status_code == 404


# --- refusals -----------------------------------------------------------------------------------


def test_a_refused_file_comes_back_to_the_form(
    upload: Upload, client: FlaskClient, token: Token
) -> None:
    response = upload(client, b"%PDF-1.7 a report", token(client))
    text = response.get_data(as_text=True)
    assert response.status_code == 415
    assert "PDF" in text
    assert 'name="image"' in text  # the form is there to try again


def test_no_file_chosen_comes_back_to_the_form(client: FlaskClient, token: Token) -> None:
    lines = (
        "--x",
        'Content-Disposition: form-data; name="csrf_token"',
        "",
        token(client),
        "--x",
        'Content-Disposition: form-data; name="image"; filename=""',
        "Content-Type: application/octet-stream",
        "",
        "",
        "--x--",
        "",
    )
    response = client.post(
        "/", data="\r\n".join(lines).encode(), content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code == 400
    assert "No image file was chosen." in response.get_data(as_text=True)


def test_a_file_too_large_to_parse_comes_back_to_the_form(
    upload: Upload, make_app: Any, token: Token
) -> None:
    client = make_app(max_upload_bytes=2**20).test_client()
    response = upload(client, b"\xff" * 2**21, token(client))
    text = response.get_data(as_text=True)
    assert response.status_code == 413
    assert "The upload is larger than 1 MB" in text
    assert 'name="image"' in text


@pytest.mark.parametrize("csrf", [None, "", "forged"])
def test_a_form_without_its_token_is_refused(
    upload: Upload, client: FlaskClient, radiograph_png: bytes, csrf: str | None
) -> None:
    client.get("/")
    response = upload(client, radiograph_png, csrf)
    assert response.status_code == 400
    assert "Reload the page and send it again." in response.get_data(as_text=True)


def test_deleting_and_samples_need_the_token_too(client: FlaskClient, page: str) -> None:
    assert client.post(f"{page}/delete").status_code == 400
    assert client.post("/samples/clear-1").status_code == 400
    assert client.get(page).status_code == 200


def test_a_program_that_posts_the_form_gets_the_problem_as_json(
    client: FlaskClient, problem: Any
) -> None:
    response = client.post("/", headers={"Accept": "application/json"})
    problem(response, 400, "csrf_failed")


def test_an_unknown_page_is_a_page(client: FlaskClient) -> None:
    response = client.get("/nowhere", headers={"Accept": "text/html"})
    text = response.get_data(as_text=True)
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "There is nothing here" in text
    assert "<code>not_found</code>" in text


# --- what the number means --------------------------------------------------------------------


def test_the_reading_says_what_the_number_means(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, radiograph_png: bytes
) -> None:
    groups = [
        {"low": 0.0, "high": 0.0001, "n": 30, "pneumonia": 0},
        {"low": 0.0002, "high": 0.2, "n": 40, "pneumonia": 13},
    ]
    points = {
        "screening": {"threshold": 0.0, "indeterminate": None},
        "balanced": {"threshold": 1.0, "indeterminate": None},
    }
    bundle = make_bundle(operating_points=points, calibration={"frequency": groups})
    client = make_app(bundle=bundle).test_client()
    text = client.get(upload(client, radiograph_png, token(client)).headers["Location"]).text
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "about 32 show pneumonia in the validation data (13 of 40 films, scored" in text
    others = "screening (from &lt; 1 %) pneumonia"
    assert f"Balanced decides here. At the other operating points this film is: {others}." in text
    assert "19 % of the 70 films show pneumonia." in text


@pytest.mark.parametrize(
    ("text", "ages", "said"),
    [
        (
            "children of 1 to 5 years",
            [1, 5],
            "For films of children of 1 to 5 years: not for others. A film does not tell the age.",
        ),
        ("people of all ages", None, "For films of people of all ages: not for others."),
        (
            "",
            None,
            "The model&#39;s card does not say whose films it was trained on: whether",
        ),
    ],
)
def test_the_reading_says_for_whom_it_holds(
    upload: Upload,
    make_app: Any,
    make_bundle: Any,
    token: Token,
    radiograph_png: bytes,
    text: str,
    ages: list[int] | None,
    said: str,
) -> None:
    population = {"text": text, "age_years": ages, "body_part": "CHEST", "views": ["PA", "AP"]}
    client = make_app(bundle=make_bundle(population=population)).test_client()
    shown = client.get(upload(client, radiograph_png, token(client)).headers["Location"]).text
    assert f'<p class="population">{said}' in shown


def test_a_card_without_counts_says_nothing_of_them(client: FlaskClient, page: str) -> None:
    text = client.get(page).text
    assert "validation data" not in text.lower()
    assert "At the others it is" in text
