"""The pictures of a reading: the film, and the map over it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from pneumonia.imaging.display import decode_png
from pneumonia.web.services import services

Token = Callable[..., str]
Upload = Callable[..., Any]


@pytest.fixture
def sick_page(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, radiograph_png: bytes
) -> Any:
    """A client, and a reading that is called pneumonia whatever the network says."""
    client = make_app(bundle=make_bundle(0.0)).test_client()
    return client, upload(client, radiograph_png, token(client)).headers["Location"]


def test_the_picture_is_the_radiograph_that_was_sent(
    client: FlaskClient, page: str, radiograph_png: bytes
) -> None:
    response = client.get(f"{page}/image.png")
    assert np.array_equal(decode_png(response.data), decode_png(radiograph_png))
    assert response.headers["Cache-Control"] == "private, no-store"
    again = client.get(f"{page}/image.png", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_overlay_grows_with_the_opacity(sick_page: Any, radiograph_png: bytes) -> None:
    client, page = sick_page
    radiograph = np.repeat(decode_png(radiograph_png)[..., None], 3, axis=2).astype(int)

    def change(query: str) -> int:
        picture = decode_png(client.get(f"{page}/overlay.png{query}").data).astype(int)
        # Where nothing is painted the stored picture is grey, and may be read back as one plane.
        return int(
            np.abs((picture if picture.ndim == 3 else picture[..., None]) - radiograph).sum()
        )

    changes = {query: change(f"?opacity={query}") for query in ("0", "0.3", "0.6", "1")}
    assert changes["0"] == 0
    assert 0 < changes["0.3"] < changes["0.6"] < changes["1"]
    assert change("") == changes["0.6"]


def test_a_normal_radiograph_has_no_map(
    upload: Upload, make_app: Any, make_bundle: Any, token: Token, radiograph_png: bytes
) -> None:
    client = make_app(bundle=make_bundle(1.0)).test_client()
    page = upload(client, radiograph_png, token(client)).headers["Location"]
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
