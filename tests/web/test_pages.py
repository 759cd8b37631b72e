"""The pages as a browser without JavaScript walks them."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.imaging.display import decode_png
from pneumonia.web.present import percent
from pneumonia.web.samples import SAMPLES
from pneumonia.web.services import services

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
    upload: Upload, client: FlaskClient, token: Token, film_png: bytes
) -> None:
    csrf = token(client)
    made = [upload(client, film_png, csrf).headers["Location"] for _ in range(10)]
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
def test_a_sample_is_read_like_any_film(client: FlaskClient, token: Token, name: str) -> None:
    picture = client.get(f"/samples/{name}.png")
    assert picture.mimetype == "image/png"
    assert decode_png(picture.data).shape == (896, 768)
    response = client.post(f"/samples/{name}", data={"csrf_token": token(client)})
    assert response.status_code == 303
    body = client.get(f"/api/v1{response.headers['Location']}").get_json()
    assert (body["image"]["format"], body["image"]["width"]) == ("PNG", 768)


def test_the_samples_are_different_films(client: FlaskClient) -> None:
    assert len({client.get(f"/samples/{name}.png").data for name in SAMPLES}) == len(SAMPLES) == 4


def test_an_unknown_sample_is_404(client: FlaskClient, token: Token) -> None:
    assert client.get("/samples/none.png").status_code == 404
    assert client.post("/samples/none", data={"csrf_token": token(client)}).status_code == 404


# --- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def sick_page(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, film_png: bytes
) -> Any:
    """A client, and a reading that is called pneumonia whatever the network says."""
    client = make_app(bundle=make_bundle(0.0)).test_client()
    return client, upload(client, film_png, token(client)).headers["Location"]


def test_the_picture_is_the_film_that_was_sent(
    client: FlaskClient, page: str, film_png: bytes
) -> None:
    response = client.get(f"{page}/image.png")
    assert np.array_equal(decode_png(response.data), decode_png(film_png))
    assert response.headers["Cache-Control"] == "private, max-age=3600, immutable"
    again = client.get(f"{page}/image.png", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_overlay_grows_with_the_opacity(sick_page: Any, film_png: bytes) -> None:
    client, page = sick_page
    film = np.repeat(decode_png(film_png)[..., None], 3, axis=2).astype(int)

    def change(query: str) -> int:
        picture = decode_png(client.get(f"{page}/overlay.png{query}").data).astype(int)
        # Where nothing is painted the stored picture is grey, and may be read back as one plane.
        return int(np.abs((picture if picture.ndim == 3 else picture[..., None]) - film).sum())

    changes = {query: change(f"?opacity={query}") for query in ("0", "0.3", "0.6", "1")}
    assert changes["0"] == 0
    assert 0 < changes["0.3"] < changes["0.6"] < changes["1"]
    assert change("") == changes["0.6"]


def test_a_normal_film_has_no_map(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, film_png: bytes
) -> None:
    client = make_app(bundle=make_bundle(1.0)).test_client()
    page = upload(client, film_png, token(client)).headers["Location"]
    overlay = client.get(f"{page}/overlay.png?opacity=1").data
    assert overlay == client.get(f"{page}/image.png").data
    assert "overlay.png" not in client.get(page).get_data(as_text=True)


@pytest.mark.parametrize("bad", ["-0.01", "1.01", "nan", "inf", "half", "", "0,5", "1e9"])
def test_an_opacity_out_of_range_is_400(sick_page: Any, problem: Any, bad: str) -> None:
    client, page = sick_page
    response = client.get(
        f"{page}/overlay.png", query_string={"opacity": bad}, headers={"Accept": "application/json"}
    )
    detail = problem(response, 400, "bad_parameter")
    assert detail == f"opacity is {bad!r}; it must be a number from 0 to 1."


def test_a_picture_lost_from_the_disk_is_a_sentence(
    app: Flask, client: FlaskClient, page: str, problem: Any
) -> None:
    reading_id = page.rpartition("/")[2]
    folder = services(app).settings.data_dir / "films"
    (folder / reading_id[:2] / f"{reading_id}.png").unlink()
    for picture in ("image.png", "overlay.png"):
        response = client.get(f"{page}/{picture}", headers={"Accept": "application/json"})
        detail = problem(response, 404, "film_missing")
        assert detail.startswith(f"The picture of reading {reading_id} is missing")
    assert client.get(page).status_code == 200


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
    upload: Upload, client: FlaskClient, film_png: bytes, csrf: str | None
) -> None:
    client.get("/")
    response = upload(client, film_png, csrf)
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


# --- without a model ----------------------------------------------------------------------------


def test_without_a_bundle_the_app_starts_and_says_what_to_do(
    upload: Upload,
    make_app: Any,
    tmp_path: Any,
    token: Token,
    film_png: bytes,
    send: Any,
    problem: Any,
) -> None:
    app = make_app(start=False, models_dir=tmp_path / "nothing", model="default")
    client = app.test_client()
    assert client.get("/").status_code == 200
    assert services(app).analysis.wait(60) == "failed"
    home = client.get("/")
    assert home.status_code == 200
    assert "flask train --data DIR" in home.get_data(as_text=True)
    answer = send(client, film_png)
    assert problem(answer, 503, "no_model").startswith("There is no model bundle 'default': ")
    assert answer.headers["Retry-After"] == "60"
    page = upload(client, film_png, token(client))
    assert page.status_code == 503
    assert "There is no model bundle" in page.get_data(as_text=True)
    model = client.get("/model")
    assert model.status_code == 200
    assert "There is no model bundle" in model.get_data(as_text=True)


def test_a_damaged_bundle_is_refused_with_its_reason(
    make_app: Any, make_bundle: Any, film_png: bytes, send: Any, problem: Any
) -> None:
    bundle = make_bundle()
    with (bundle / "weights.safetensors").open("r+b") as weights:
        weights.seek(5000)
        weights.write(b"\xff" * 16)
    app = make_app(bundle=bundle, start=False)
    client = app.test_client()
    client.get("/readyz")
    assert services(app).analysis.wait(60) == "failed"
    detail = problem(send(client, film_png), 503, "damaged_bundle")
    assert "SHA-256" in detail
    assert problem(client.get("/readyz"), 503, "damaged_bundle") == detail


def test_the_model_page_shows_the_card(client: FlaskClient, tiny_bundle: Any) -> None:
    card = json.loads((tiny_bundle / "card.json").read_text())
    text = client.get("/model").get_data(as_text=True)
    for shown in (card["id"], card["architecture"], card["weights"]["sha256"]):
        assert shown in text


def test_the_reading_says_what_the_number_means(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, film_png: bytes
) -> None:
    groups = [
        {"low": 0.0, "high": 0.0001, "n": 30, "pneumonia": 0},
        {"low": 0.0002, "high": 0.9999, "n": 40, "pneumonia": 13},
    ]
    points = {
        "screening": {"threshold": 0.0, "indeterminate": None},
        "balanced": {"threshold": 1.0, "indeterminate": None},
    }
    bundle = make_bundle(operating_points=points, calibration={"frequency": groups})
    client = make_app(bundle=bundle).test_client()
    text = client.get(upload(client, film_png, token(client)).headers["Location"]).text
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "about 32 show pneumonia in the validation data (13 of 40 films, scored" in text
    others = "screening (from &lt; 1 %) pneumonia"
    assert f"Balanced decides here. At the other operating points this film is: {others}." in text
    assert "19 % of the 70 films show pneumonia." in text


def test_a_card_without_counts_says_nothing_of_them(client: FlaskClient, page: str) -> None:
    text = client.get(page).text
    assert "validation data" not in text.lower()
    assert "At the others it is" in text


def test_the_model_page_shows_operating_points_calibration_and_evidence(
    make_app: Any, make_bundle: Any
) -> None:
    evidence = {
        "n": 570,
        "auroc": {"value": 0.9912, "ci95": [0.9834, 0.9967]},
        "ece": 0.021,
        "heat_inside": {"value": 0.8612, "ci95": [0.84, 0.88]},
        "operating_points": {"balanced": {"sensitivity": {"value": 0.953, "ci95": [0.93, 0.97]}}},
        "shortcuts": {"lungs blacked out": {"value": 0.631, "ci95": [0.58, 0.68]}},
        "robustness": {"blur": {"auroc": 0.981, "ece": {"value": 0.043, "ci95": [0.03, 0.05]}}},
        "refused": 2,
        "indeterminate": 31,
        "command": "flask evaluate --data kermany --split validation",
    }
    groups = [{"low": 0.0, "high": 0.02, "n": 40, "pneumonia": 1}]
    bundle = make_bundle(
        calibration={"frequency": groups}, evidence={"validation": evidence, "adults": {"n": 388}}
    )
    app = make_app(bundle=bundle, operating_point="screening", start=False)
    text = re.sub(r"<[^>]+>", " ", app.test_client().get("/model").text)
    text = " ".join(html.unescape(text).split())
    for shown in (
        "Screening decides here Balanced Confirming",
        "Pneumonia from a probability of 0.",
        "Specificity: normal films that are called so 1.000 0.676 to 1.000",
        "< 1 % to 2 % 40 1 (2 %)",
        "Validation: 570 films",
        "AUROC: how well it ranks one above the other 0.991 0.983 to 0.997",
        "Expected calibration error (0 is best) 0.021",
        "heat inside the lungs 0.861 0.840 to 0.880",
        "Sensitivity 0.953 0.930 to 0.970",
        "Lungs blacked out 0.631 0.580 to 0.680",
        "Blur 0.981 0.043 0.030 to 0.050",
        "2 of them would have been refused. 31 fall into the indeterminate band.",
        "Made by flask evaluate --data kermany --split validation",
        "Adults: 388 films",
    ):
        assert shown in text, (shown, text)


# --- percentages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "< 1 %"),
        (0.0049, "< 1 %"),
        (0.0051, "1 %"),
        (0.93, "93 %"),
        (0.9949, "99 %"),
        (0.9951, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_a_probability_is_never_shown_as_certain(share: float, text: str) -> None:
    assert percent(share) == text
