"""What the viewer asks for: all grey levels, the map alone, the size of a pixel, earlier films."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from pneumonia.imaging.display import decode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.web.services import services
from tests.dicom_files import encode, encode_dicom

Send = Callable[..., Any]
GREY = synthetic_radiograph(5, opacity=True, size=(120, 100))
DEEP = GREY.astype(np.uint16) * 16 + np.arange(100, dtype=np.uint16) % 16  # 12 bits, all used


def read(png: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(png)) as picture:
        return np.array(picture)


def test_all_levels_of_a_deep_png_are_kept_and_no_cache_keeps_them(
    client: FlaskClient, send: Send
) -> None:
    page = send(client, encode(Image.fromarray(DEEP), "PNG")).get_json()["links"]["page"]
    answer = client.get(f"{page}/levels.png")
    np.testing.assert_array_equal(read(answer.data), DEEP)
    assert answer.headers["Cache-Control"] == "private, no-store"
    again = client.get(f"{page}/levels.png", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert f'data-levels="{page}/levels.png"' in client.get(page).get_data(as_text=True)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_levels_outside_the_files_window_are_kept(
    client: FlaskClient, send: Send, photometric: str
) -> None:
    is_negative = photometric == "MONOCHROME1"
    film = encode_dicom(
        4095 - DEEP if is_negative else DEEP,
        BitsStored=12,
        PhotometricInterpretation=photometric,
        WindowCenter=2048,
        WindowWidth=1500,
        ImagerPixelSpacing=[0.2, 0.25],
    )
    page = send(client, film).get_json()["links"]["page"]
    shown = read(client.get(f"{page}/image.png").data)
    assert (shown == 0).sum() > 100  # clipped by the window
    np.testing.assert_array_equal(read(client.get(f"{page}/levels.png").data), DEEP)
    assert 'data-spacing="0.2 0.25"' in client.get(page).get_data(as_text=True)


def test_of_8_bits_there_are_no_more_levels_and_no_spacing(
    client: FlaskClient, page: str, problem: Any
) -> None:
    answer = client.get(f"{page}/levels.png", headers={"Accept": "application/json"})
    assert problem(answer, 404, "levels_not_kept").startswith("No more grey levels are kept")
    html = client.get(page).get_data(as_text=True)
    assert 'data-levels=""' in html
    assert 'data-spacing=""' in html
    assert 'value="measure"' not in html


def test_levels_are_deleted_with_their_reading(app: Flask, client: FlaskClient, send: Send) -> None:
    found = send(client, encode(Image.fromarray(DEEP), "PNG")).get_json()
    films = services(app).settings.data_dir / "films"
    assert len(list(films.glob(f"*/{found['id']}.*"))) == 2
    services(app).worklist.remove([found["id"]])
    assert client.get(f"{found['links']['page']}/levels.png").status_code == 404
    services(app).worklist.bring_back([found["id"]])
    assert client.get(f"{found['links']['page']}/levels.png").status_code == 200
    assert client.delete(found["links"]["self"]).status_code == 204
    assert list(films.glob(f"*/{found['id']}.*")) == []
    assert client.get(f"{found['links']['page']}/levels.png").status_code == 404


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_map_laid_over_the_film_is_the_overlay(
    make_app: Any, make_bundle: Any, send: Send, threshold: float
) -> None:
    client = make_app(bundle=make_bundle(threshold), longest_wait_s=60.0).test_client()
    links = send(client, encode(Image.fromarray(GREY), "PNG")).get_json()["links"]
    layer = decode_png(client.get(f"{links['page']}/map.png").data).astype(float)
    film = decode_png(client.get(links["image"]).data).astype(float)[..., None]
    thickness = 0.6 * layer[..., 3:] / 255
    overlay = decode_png(client.get(links["overlay"]).data).astype(float)
    expected = overlay if overlay.ndim == 3 else overlay[..., None]
    laid = film * (1 - thickness) + layer[..., :3] * thickness
    assert np.abs(laid - expected).max() <= 1.5
    assert bool(layer[..., 3].any()) == (threshold == 0.0)


def test_earlier_films_of_the_same_reference_are_offered(client: FlaskClient) -> None:
    def add(grey: np.ndarray[Any, Any], reference: str) -> str:
        png = encode(Image.fromarray(grey), "PNG")
        form = {"image": (io.BytesIO(png), "film.png"), "reference": reference}
        page: str = client.post("/api/v1/readings", data=form).get_json()["links"]["page"]
        return page

    first, other, second = add(GREY, "A 7"), add(GREY, "A 77"), add(GREY, "A 7")
    first_id = first.rpartition("/")[2]
    html = client.get(second).get_data(as_text=True)
    assert f'href="?prior={first_id}"' in html
    assert other.rpartition("/")[2] not in html
    assert f"{first}/image.png" not in html
    assert "Earlier under the reference" not in client.get(first).get_data(as_text=True)
    beside = client.get(f"{second}?prior={first_id}&sort=oldest").text
    assert f'href="?sort=oldest&amp;prior={first_id}"' in beside
    assert f"{first}/image.png" in beside
    assert "whether it is the same patient is not checked" in beside
    # Not any film: one that is offered.
    stranger = other.rpartition("/")[2]
    assert f"{stranger}/image.png" not in client.get(f"{second}?prior={stranger}").text
