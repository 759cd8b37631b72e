"""Hostile files through the API: each gets its proper error, and the app goes on answering."""

import html
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from werkzeug.test import TestResponse

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.dicom_files import encode_dicom


def radiograph() -> bytes:
    return encode_png(synthetic_radiograph(5, opacity=True, size=(256, 224)))


def jpeg(mode: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(synthetic_radiograph(5, opacity=True, size=(256, 224))).convert(mode).save(
        out, "JPEG"
    )
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and brings hardly any pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("film.jpg", jpeg("L"))
    return out.getvalue()


def animated_gif() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("L", (100, 100), level) for level in (0, 128, 255)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def dicom_without_pixels() -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName = "Test^Person"
    dataset.Rows, dataset.Columns = 100, 100
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def dicom(syntax: str, **attributes: object) -> bytes:
    pixels = synthetic_radiograph(5, opacity=True, size=(256, 224))
    return encode_dicom(pixels, syntax, **attributes)


def flat() -> bytes:
    return encode_png(np.full((300, 300), 128, np.uint8))


HOSTILE: dict[str, tuple[Callable[[], bytes], str, int, str]] = {
    # what: (bytes, the name it comes under, status, code)
    "empty": (lambda: b"", "film.png", 400, "empty_file"),
    "one byte": (lambda: b"\xff", "film.jpg", 415, "unsupported_format"),
    "truncated JPEG": (lambda: jpeg("L")[:2000], "film.jpg", 422, "damaged_image"),
    "truncated PNG": (lambda: radiograph()[:2000], "film.png", 422, "damaged_image"),
    "PNG cut in its header": (lambda: radiograph()[:20], "film.png", 422, "damaged_image"),
    "PNG of 50,000 x 50,000": (
        lambda: png_header(50_000, 50_000),
        "film.png",
        413,
        "too_many_pixels",
    ),
    "PNG that promises more than it has": (
        lambda: png_header(2000, 2000),
        "film.png",
        422,
        "damaged_image",
    ),
    "ZIP named .jpg": (zip_file, "film.jpg", 415, "unsupported_format"),
    "text": (lambda: b"a letter, not a film\n" * 50, "film.txt", 415, "unsupported_format"),
    "PDF": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "film.pdf", 415, "unsupported_format"),
    "HTML": (lambda: b"<script>alert(1)</script>", "film.svg", 415, "unsupported_format"),
    "animated GIF": (animated_gif, "film.gif", 415, "unsupported_format"),
    "CMYK JPEG": (lambda: jpeg("CMYK"), "film.jpg", 415, "unsupported_encoding"),
    "DICOM without pixels": (dicom_without_pixels, "film.dcm", 422, "no_pixel_data"),
    "DICOM cut off": (
        lambda: dicom("jpeg-2000")[:-200],
        "film.dcm",
        422,
        "damaged_image",
    ),
    "DICOM of 60,000 x 60,000": (
        lambda: dicom("explicit", Rows=60_000, Columns=60_000),
        "film.dcm",
        413,
        "too_many_pixels",
    ),
    "deflated DICOM that unpacks to 100 MB": (
        lambda: dicom("deflated", PixelData=bytes(100_000_000)),
        "film.dcm",
        413,
        "file_too_large",
    ),
    "DICOM in an encoding that nothing decodes": (
        lambda: dicom("jpeg").replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.66"),
        "film.dcm",
        415,
        "unsupported_encoding",
    ),
    "blank film": (flat, "film.png", 422, "film_too_flat"),
    "thumbnail": (
        lambda: encode_png(synthetic_radiograph(1, opacity=False, size=(64, 64))[:48, :48]),
        "film.png",
        422,
        "film_too_small",
    ),
    "zeros": (lambda: bytes(2**20), "film.dcm", 415, "unsupported_format"),
}


def send(client: FlaskClient, data: bytes, name: str) -> TestResponse:
    return client.post("/api/v1/readings", data={"image": (io.BytesIO(data), name)})


@pytest.mark.parametrize("what", HOSTILE)
def test_each_gets_its_error_and_the_app_lives(client: FlaskClient, what: str) -> None:
    make, name, status, code = HOSTILE[what]
    response = send(client, make(), name)
    body = response.get_json(force=True)
    assert (response.status_code, body["code"]) == (status, code), body["detail"]
    assert response.content_type == "application/problem+json"
    assert body["status"] == status
    assert len(body["detail"]) > 30
    assert "Traceback" not in body["detail"]
    assert not {"Test^Person", "Doe^Jane"} & set(body["detail"].split())
    assert send(client, radiograph(), "film.png").status_code == 201


def test_a_hundred_megabytes_are_refused_unread(client: FlaskClient) -> None:
    body = io.BytesIO(b"x")
    response = client.post(
        "/api/v1/readings",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": "100000000"},
    )
    assert (response.status_code, response.get_json(force=True)["code"]) == (413, "file_too_large")
    assert body.tell() == 0  # reading the rest away is the server's part
    assert send(client, radiograph(), "film.png").status_code == 201


def test_a_page_upload_of_the_same_files_shows_the_same_sentence(client: FlaskClient) -> None:
    home = client.get("/").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', home)
    assert token is not None
    for what, (make, name, status, _) in HOSTILE.items():
        if what == "ZIP named .jpg":  # the page opens it: tests/web/test_archives.py
            continue
        data = make()
        sentence = send(client, data, name).get_json(force=True)["detail"]
        fields = {"image": (io.BytesIO(data), name), "csrf_token": token[1]}
        page = client.post("/", data=fields)
        assert page.status_code == status, what
        assert sentence in html.unescape(page.get_data(as_text=True)), what


@pytest.mark.parametrize(
    "path",
    [
        "/readings/../../etc/passwd",
        "/readings/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/readings/%00",
        "/samples/..%2f..%2fsecret_key.png",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/readings/" + "a" * 3000,
    ],
)
def test_no_path_leads_out_of_the_house(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert b"create_app" not in response.data


@pytest.mark.parametrize("syntax", ["deflated", "lossless", "jpeg-ls", "jpeg-2000", "rle"])
def test_compressed_dicom_gets_an_answer(client: FlaskClient, syntax: str) -> None:
    response = send(client, dicom(syntax), "film.dcm")
    body = response.get_json(force=True)
    assert response.status_code == 201, body
    assert body["image"]["format"] == "DICOM"
