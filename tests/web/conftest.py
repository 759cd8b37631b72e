"""The app over a real, tiny network, and films to send to it."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from pneumonia.config import Settings
from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.records.user import Role
from pneumonia.web.services import services
from tests.people import add_person, log_in

MakeApp = Callable[..., Flask]


@pytest.fixture(scope="session")
def radiograph_png() -> bytes:
    return encode_png(synthetic_radiograph(11, opacity=True, size=(300, 260)))


@pytest.fixture
def make_bundle(tiny_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny bundle, its card changed: ``balanced``, and whatever else is given."""

    def make(
        threshold: float | None = None, band: list[float] | None = None, **changes: Any
    ) -> Path:
        folder = tmp_path / "models" / tiny_bundle.name
        shutil.copytree(tiny_bundle, folder)
        card = json.loads((folder / "card.json").read_text())
        if threshold is not None:
            point = {"threshold": threshold, "indeterminate": band}
            card["operating_points"]["balanced"] |= point
        card["calibration"] |= changes.pop("calibration", {})
        (folder / "card.json").write_text(json.dumps(card | changes))
        return folder

    return make


@pytest.fixture
def make_app(tiny_bundle: Path, tmp_path: Path) -> Iterator[MakeApp]:
    """An app in a folder of its own, its model warm unless asked otherwise."""
    made: list[Flask] = []

    def make(*, bundle: Path = tiny_bundle, start: bool = True, **settings: Any) -> Flask:
        values = {
            "data_dir": tmp_path / "var",
            "models_dir": bundle.parent,
            "model": bundle.name,
            "device": "cpu",
            "threads": 1,
            "engine": "torch",  # no time is spent on converting the network
        }
        app = create_app(Settings(**(values | settings)))
        made.append(app)
        if start:
            services(app).analysis.start()
            assert services(app).analysis.wait(60) == "ready"
        return app

    yield make
    for app in made:
        services(app).analysis.close()
        services(app).store.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def send() -> Callable[..., Any]:
    """Send bytes to the API, in the field ``image`` unless named otherwise."""

    def send(client: FlaskClient, data: bytes, name: str = "film.png", field: str = "image") -> Any:
        return client.post("/api/v1/readings", data={field: (io.BytesIO(data), name)})

    return send


@pytest.fixture
def token() -> Callable[[FlaskClient, str], str]:
    """The CSRF token out of a page, as a browser without JavaScript would send it."""

    def find(client: FlaskClient, page: str = "/") -> str:
        found = re.search(
            r'name="csrf_token"[^>]*value="([^"]+)"', client.get(page).get_data(as_text=True)
        )
        assert found, f"no form on {page}"
        return found[1]

    return find


@pytest.fixture
def upload() -> Callable[..., Any]:
    """Send bytes through the form of the home page."""

    def upload(client: FlaskClient, data: bytes, csrf: str | None) -> Any:
        fields: dict[str, Any] = {"image": (io.BytesIO(data), "film.png")}
        if csrf is not None:
            fields["csrf_token"] = csrf
        return client.post("/", data=fields, content_type="multipart/form-data")

    return upload


@pytest.fixture
def page(
    upload: Callable[..., Any],
    client: FlaskClient,
    token: Callable[..., str],
    radiograph_png: bytes,
) -> str:
    """The path of a reading's page, made through the form."""
    response = upload(client, radiograph_png, token(client))
    assert response.status_code == 303
    location: str = response.headers["Location"]
    assert re.fullmatch(r"/readings/[0-9a-f]{32}", location)
    return location


@pytest.fixture
def problem() -> Callable[..., str]:
    """Check the whole shape of a problem; returns its sentence."""

    def check(response: Any, status: int, code: str) -> str:
        assert response.content_type == "application/problem+json"
        body = response.get_json(force=True)
        assert (response.status_code, body.get("status"), body.get("code")) == (
            status,
            status,
            code,
        )
        assert set(body) == {"type", "title", "status", "detail", "code"}
        assert body["type"] == f"urn:problem-type:pneumonia:{code}"
        assert body["title"][0].isupper()
        assert body["detail"].endswith((".", ")", "--out models/default"))
        assert ("Retry-After" in response.headers) == (status in (429, 503))
        detail: str = body["detail"]
        return detail

    return check


# Not called ``app``: pytest-flask would push its context, and all requests would share one visitor.
@pytest.fixture
def clinic(make_app: MakeApp) -> Flask:
    """An app with accounts; its model is not needed."""
    return make_app(start=False, accounts="required")


@pytest.fixture
def ada(clinic: Flask) -> FlaskClient:
    """An administrator's browser."""
    add_person(clinic, "ada", Role.ADMINISTRATOR)
    client = clinic.test_client()
    assert log_in(client, "ada") == 303
    return client
