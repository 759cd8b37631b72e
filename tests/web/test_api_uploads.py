"""What the API says of a request that holds no film it can read."""

import io
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

Send = Callable[..., Any]
Problem = Callable[..., str]


def test_a_wrong_field_is_named(
    client: FlaskClient, send: Send, radiograph_png: bytes, problem: Problem
) -> None:
    detail = problem(send(client, radiograph_png, field="file"), 400, "no_image")
    assert detail == (
        "The file came in the field 'file'. Send a JPEG, PNG or DICOM file as "
        "multipart/form-data in the field 'image'."
    )


def test_text_in_the_field_is_not_a_file(client: FlaskClient, problem: Problem) -> None:
    response = client.post(
        "/api/v1/readings", data={"image": "film.png"}, content_type="multipart/form-data"
    )
    assert "holds text, not a file" in problem(response, 400, "no_image")


def test_a_bare_body_is_told_how_to_be_sent(
    client: FlaskClient, radiograph_png: bytes, problem: Problem
) -> None:
    response = client.post("/api/v1/readings", data=radiograph_png, content_type="image/png")
    detail = problem(response, 400, "no_image")
    assert detail.startswith("The request is image/png. Send a JPEG, PNG or DICOM file as multi")


def test_nothing_at_all_is_no_image(client: FlaskClient, problem: Problem) -> None:
    detail = problem(client.post("/api/v1/readings"), 400, "no_image")
    assert detail.startswith("The request is without a content type. Send")


def test_a_broken_multipart_body_is_no_image(client: FlaskClient, problem: Problem) -> None:
    for body, kind in [
        (b"--x\r\nContent-Dis", "multipart/form-data; boundary=x"),
        (b"no boundary", "multipart/form-data"),
    ]:
        response = client.post("/api/v1/readings", data=body, content_type=kind)
        problem(response, 400, "no_image")


def test_two_files_are_refused(
    client: FlaskClient, radiograph_png: bytes, problem: Problem
) -> None:
    files = [(io.BytesIO(radiograph_png), f"{name}.png") for name in "ab"]
    response = client.post("/api/v1/readings", data={"image": files})
    detail = problem(response, 400, "bad_parameter")
    assert detail.startswith("The field 'image' holds 2 files; one image is read at a time.")


def test_an_empty_file_is_named_empty(client: FlaskClient, send: Send, problem: Problem) -> None:
    problem(send(client, b""), 400, "empty_file")


def test_too_many_fields_are_refused(client: FlaskClient, problem: Problem) -> None:
    fields = {f"f{i}": "x" for i in range(150)}
    response = client.post("/api/v1/readings", data=fields, content_type="multipart/form-data")
    problem(response, 413, "request_too_large")


def test_a_file_over_the_limit_is_413(make_app: Any, send: Send, problem: Problem) -> None:
    client = make_app(max_upload_bytes=2**20).test_client()
    # Just over the limit: the decoder counts it. Far over: the request is not even parsed.
    for size in (2**20 + 1, 2**21):
        problem(send(client, b"\xff" * size), 413, "file_too_large")


def test_an_image_over_the_pixel_limit_is_413(
    make_app: Any, send: Send, radiograph_png: bytes, problem: Problem
) -> None:
    client = make_app(max_pixels=300 * 260 - 1).test_client()
    assert "260 x 300 pixels" in problem(send(client, radiograph_png), 413, "too_many_pixels")
