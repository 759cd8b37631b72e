"""Floods of parts are refused before Pillow walks them; what films are made of is not."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, PngImagePlugin

from pneumonia.errors import DamagedImage, UnsupportedEncoding
from pneumonia.imaging.decode import decode, open_upload
from pneumonia.imaging.raster_scan import MAX_JPEG_SEGMENTS, MAX_PNG_CHUNKS, check_parts
from pneumonia.imaging.synthetic import synthetic_radiograph

FILM = Image.fromarray(synthetic_radiograph(5, opacity=True, size=(256, 224)))


def saved(kind: str) -> bytes:
    out = io.BytesIO()
    FILM.save(out, kind)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def jpeg_with(parts: bytes) -> bytes:
    jpeg = saved("JPEG")
    return jpeg[:2] + parts + jpeg[2:]


def png_with(parts: bytes) -> bytes:
    png = saved("PNG")
    return png[:33] + parts + png[33:]  # after the signature and IHDR


def png_in_pieces(size: int) -> bytes:
    png = saved("PNG")
    start = png.index(b"IDAT") - 4
    length = int.from_bytes(png[start : start + 4], "big")
    body = png[start + 8 : start + 8 + length]
    pieces = b"".join(chunk(b"IDAT", body[i : i + size]) for i in range(0, len(body), size))
    return png[:start] + pieces + chunk(b"IEND", b"")


FLOODS: dict[str, Callable[[], bytes]] = {
    "empty APP segments": lambda: jpeg_with(b"\xff\xe5\0\2" * 2_500_000),
    "comments": lambda: jpeg_with(b"\xff\xfe\0\3x" * 2_000_000),
    "restart markers": lambda: jpeg_with(b"\xff\xd0" * 5_000_000),
    "fill": lambda: jpeg_with(b"\xff" * 10_000_000),
    "empty chunks": lambda: png_with(chunk(b"teSt", b"") * 800_000),
    "texts": lambda: png_with(chunk(b"tEXt", b"a\0b") * 600_000),
    "empty IDAT": lambda: png_with(chunk(b"IDAT", b"") * 800_000),
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_is_refused_before_pillow_sees_it(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(*_: object) -> None:
        raise AssertionError("Pillow was asked")

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "_open", seen)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "_open", seen)
    with pytest.raises(UnsupportedEncoding, match=r"more than [\d,]+ (segments|chunks)"):
        open_upload(FLOODS[what]())


SOUND: dict[str, Callable[[], bytes]] = {
    "a JPEG": lambda: saved("JPEG"),
    "a JPEG with a depth map": lambda: jpeg_with((b"\xff\xe1\xff\xff" + b"x" * 65533) * 160),
    "a JPEG with some fill": lambda: jpeg_with(b"\xff" * 40),
    "as many segments as allowed": lambda: jpeg_with(b"\xff\xe5\0\2" * (MAX_JPEG_SEGMENTS - 10)),
    "a PNG": lambda: saved("PNG"),
    "a PNG in small pieces": lambda: png_in_pieces(64),
    "as many chunks as allowed": lambda: png_with(chunk(b"teSt", b"") * (MAX_PNG_CHUNKS - 10)),
}


@pytest.mark.parametrize("what", SOUND)
def test_a_sound_film_is_read(what: str) -> None:
    read = decode(SOUND[what]())
    assert (read.width, read.height) == (224, 256)
    assert np.std(read.pixels) > 0.1


@pytest.mark.parametrize(
    "data",
    [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe0\0\0", b"\x89PNG\r\n\x1a\n\xff\xff"],
)
def test_what_ends_too_early_is_left_to_the_decoder(data: bytes) -> None:
    check_parts(data)
    with pytest.raises(DamagedImage):
        open_upload(data)
