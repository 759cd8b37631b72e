"""The pages as a browser without JavaScript walks them."""

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from pneumonia.imaging.display import decode_png
from pneumonia.web.present import percent
from pneumonia.web.samples import SAMPLES
from pneumonia.web.services import services

Token = Callable[..., str]


def upload(client: FlaskClient, data: bytes, csrf: str | None) -> Any:
    fields: dict[str, Any] = {"image": (io.BytesIO(data), "film.png")}
    if csrf is not None:
        fields["csrf_token"] = csrf
    return client.post("/", data=fields, content_type="multipart/form-data")


@pytest.fixture
def page(client: FlaskClient, token: Token, film_png: bytes) -> str:
    """The path of a reading's page, made through the form."""
    response = upload(client, film_png, token(client))
    assert response.status_code == 303
    assert re.fullmatch(r"/readings/[0-9a-f]{32}", response.headers["Location"])
    location: str = response.headers["Location"]
    return location


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
    client: FlaskClient, token: Token, film_png: bytes
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
    assert decode_png(picture.data).shape == (768, 896)
    response = client.post(f"/samples/{name}", data={"csrf_token": token(client)})
    assert response.status_code == 303
    body = client.get(f"/api/v1{response.headers['Location']}").get_json()
    assert (body["image"]["format"], body["image"]["width"]) == ("PNG", 896)


def test_the_samples_are_different_films(client: FlaskClient) -> None:
    assert len({client.get(f"/samples/{name}.png").data for name in SAMPLES}) == len(SAMPLES) == 4


def test_an_unknown_sample_is_404(client: FlaskClient, token: Token) -> None:
    assert client.get("/samples/none.png").status_code == 404
    assert client.post("/samples/none", data={"csrf_token": token(client)}).status_code == 404


# --- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def sick_page(make_app: Any, make_bundle: Any, token: Token, film_png: bytes) -> Any:
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
    make_app: Any, make_bundle: Any, token: Token, film_png: bytes
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


# --- refusals -----------------------------------------------------------------------------------


def test_a_refused_file_comes_back_to_the_form(client: FlaskClient, token: Token) -> None:
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


def test_a_file_too_large_to_parse_comes_back_to_the_form(make_app: Any, token: Token) -> None:
    client = make_app(max_upload_bytes=2**20).test_client()
    response = upload(client, b"\xff" * 2**21, token(client))
    text = response.get_data(as_text=True)
    assert response.status_code == 413
    assert "The upload is larger than 1 MB" in text
    assert 'name="image"' in text


@pytest.mark.parametrize("csrf", [None, "", "forged"])
def test_a_form_without_its_token_is_refused(
    client: FlaskClient, film_png: bytes, csrf: str | None
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
    make_app: Any, tmp_path: Any, token: Token, film_png: bytes, send: Any, problem: Any
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


# --- what a browser is told ---------------------------------------------------------------------


class Inline(HTMLParser):
    """Collects what the content security policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            if re.match(r"(https?:)?//|javascript:", names.get(name) or ""):
                self.found.append(f"{name}={names[name]}")


@pytest.mark.parametrize("which", ["home", "reading", "model", "problem"])
def test_no_page_has_anything_inline_or_from_elsewhere(
    client: FlaskClient, page: str, which: str
) -> None:
    paths = {"home": "/", "reading": page, "model": "/model", "problem": "/nowhere"}
    parser = Inline()
    parser.feed(client.get(paths[which]).get_data(as_text=True))
    assert parser.found == []


def test_every_response_carries_the_security_headers(client: FlaskClient, page: str) -> None:
    for path in ("/", page, f"{page}/image.png", "/api/v1/nothing", "/healthz", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]


def test_pages_and_answers_are_kept_by_no_cache(client: FlaskClient, page: str) -> None:
    for path in ("/", page, f"/api/v1{page}", "/readyz"):
        assert client.get(path).headers["Cache-Control"] == "no-store", path


def test_the_session_cookie_is_out_of_reach_of_scripts(client: FlaskClient) -> None:
    plain = client.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain


def test_over_https_the_cookie_is_secure(app: Any) -> None:
    cookie = app.test_client().get("/", base_url="https://reader.example").headers["Set-Cookie"]
    assert "; Secure" in cookie


def test_only_a_trusted_proxy_is_believed(make_app: Any) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/reader"}
    plain = make_app().test_client().get("/", headers=forwarded)
    assert 'href="/model"' in plain.get_data(as_text=True)
    assert "; Secure" not in plain.headers["Set-Cookie"]
    proxied = make_app(proxies=1).test_client().get("/", headers=forwarded)
    assert 'href="/reader/model"' in proxied.get_data(as_text=True)
    assert "; Secure" in proxied.headers["Set-Cookie"]


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
