"""The front door: what is let in, what is turned away, and with which sentence."""

import hashlib
import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pneumonia.errors import (
    EmptyFile,
    FileTooLarge,
    ImageError,
    TooManyPixels,
    UnsupportedFormat,
)
from pneumonia.imaging import Limits, decode, open_upload
from pneumonia.imaging.kind import identify


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("film.jpg", b"\xff\xd8\xff not really")
    return file.getvalue()


FOREIGN = {
    "a ZIP archive": _zip(),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "an AVIF picture": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    "a video (MP4)": b"\0\0\0\x18ftypisom\0\0\0\0isom",
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ",
    "a JPEG XL picture": b"\xff\x0a\xfa\x1f",
    "a gzip archive": b"\x1f\x8b\x08\0\0\0\0\0",
    "an HTML page": b"\xef\xbb\xbf\n<!DOCTYPE html><html>",
    "an XML or SVG file": b"<?xml version='1.0'?><svg/>",
    "a plain text file": "Fièvre depuis trois jours, toux grasse.\n".encode() * 60,
    "a program (ELF)": b"\x7fELF\x02\x01\x01",
    "a program (EXE)": b"MZ\x90\0\x03\0\0\0\x04",
    "a NIfTI volume": struct.pack("<i", 348) + bytes(340) + b"n+1\0",
    "an unknown kind of file (first bytes 00 01 02 03 04 05 06 07)": bytes(range(64)),
}


@pytest.mark.parametrize(("phrase", "data"), FOREIGN.items(), ids=FOREIGN)
def test_a_foreign_file_is_named_with_what_is_accepted(phrase, data):
    with pytest.raises(UnsupportedFormat) as caught:
        decode(data)
    assert str(caught.value).startswith(f"This is {phrase}")
    assert "Chest X-rays are accepted as JPEG, PNG or DICOM. Export the film" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "phrase"), [("GIF", "a GIF picture"), ("TIFF", "a TIFF picture"),
                         ("BMP", "a BMP picture"), ("WEBP", "a WebP picture")]
)  # fmt: skip
def test_other_pictures_are_named(name, phrase, encode):
    frames = [Image.new("L", (16, 16), level) for level in (10, 200)]
    animation = {"save_all": True, "append_images": frames[1:]} if name == "GIF" else {}
    with pytest.raises(UnsupportedFormat, match=f"^This is {phrase}[.]"):
        decode(encode(frames[0], name, **animation))


def test_an_empty_file_is_said_to_be_empty():
    with pytest.raises(EmptyFile, match=r"^The file is empty \(0 bytes\)\. Choose the film again"):
        decode(b"")


def test_a_large_file_is_refused_by_its_size_alone():
    with pytest.raises(FileTooLarge, match=r"has 100\.0 MB; at most 50\.0 MB are accepted\."):
        decode(bytes(100 * 2**20))


def test_the_byte_limit_is_inclusive(grey, encode):
    data = encode(Image.fromarray(grey), "PNG")
    assert decode(data, Limits(max_bytes=len(data))).width == 32
    with pytest.raises(FileTooLarge):
        decode(data, Limits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "DICOM"])
def test_the_pixel_limit_is_inclusive(kind, grey, encode, encode_dicom):
    data = encode_dicom(grey) if kind == "DICOM" else encode(Image.fromarray(grey), kind)
    assert decode(data, Limits(max_pixels=256)).width == 32
    with pytest.raises(TooManyPixels, match=r"has 32 x 8 pixels"):
        decode(data, Limits(max_pixels=255))


def _huge_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">2I5B", 50_000, 50_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def _huge_jpeg(encode) -> bytes:
    data = bytearray(encode(Image.new("L", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">2H", 50_000, 50_000)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "DICOM", "DICOM with JPEG"])
@pytest.mark.parametrize("max_pixels", [40_000_000, 400_000_000])
def test_50_000_pixels_square_are_refused_from_the_header(
    kind, max_pixels, grey, encode, encode_dicom
):
    data = {
        "PNG": _huge_png,
        "JPEG": lambda: _huge_jpeg(encode),
        "DICOM": lambda: encode_dicom(grey, Rows=50_000, Columns=50_000),
        "DICOM with JPEG": lambda: encode_dicom(grey, "jpeg", Rows=50_000, Columns=50_000),
    }[kind]()
    with pytest.raises(TooManyPixels) as caught:
        decode(data, Limits(max_pixels=max_pixels))
    assert "has 50,000 x 50,000 pixels; at most" in str(caught.value)
    assert f"{max_pixels // 1_000_000} million are accepted" in str(caught.value)


def test_a_huge_jpeg_inside_a_small_dicom_is_refused(grey, encode, encode_dicom):
    from pydicom.encaps import encapsulate

    data = encode_dicom(grey, "jpeg", PixelData=encapsulate([_huge_jpeg(encode)]))
    with pytest.raises(TooManyPixels, match=r"50,000 x 50,000"):
        decode(data)


def test_a_picture_between_our_limit_and_pillows_own_gives_no_warning(encode, recwarn):
    data = encode(Image.new("1", (10_000, 9_500)), "PNG")
    radiograph = decode(data, Limits(max_pixels=100_000_000))
    assert (radiograph.width, radiograph.height) == (10_000, 9_500)
    assert not recwarn.list


def test_the_digest_is_of_the_uploaded_bytes(grey, encode):
    data = encode(Image.fromarray(grey), "PNG")
    assert decode(data).sha256 == hashlib.sha256(data).hexdigest()


def test_nothing_of_the_metadata_is_kept(grey, encode):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Patient", "Doe^Jane")
    exif = Image.Exif()
    exif[0x010E] = "Doe^Jane"
    for options in ({"pnginfo": text}, {"exif": exif}):
        radiograph = decode(encode(Image.fromarray(grey), "PNG", **options))
        kept = repr([getattr(radiograph, name) for name in radiograph.__dataclass_fields__])
        assert "Doe" not in kept
        np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), grey)


def test_a_text_that_begins_like_a_dicom_group_is_not_dicom():
    assert identify(b"\x08\0\x05\0\xff\xff\xff\xff" + bytes(20)).startswith("an unknown kind")
    assert identify(b"\0\x08\0\x05\0\0\0\x04" + bytes(20)).startswith("an unknown kind")
    assert identify(b"\0\x08\0\x05CS\0\x0aISO_IR 100") == "DICOM"
    assert identify(b"\x08\0\x05\0CS\x0a\0ISO_IR 100") == "DICOM"
    assert identify(b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100") == "DICOM"


STARTS = [
    b"",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    bytes(128) + b"DICM\x02\0\0\0UL\x04\0",
    b"\x08\0\x05\0CS",
]


@settings(max_examples=150, deadline=None)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_random_bytes_never_raise_anything_else(start, rest):
    with pytest.raises(ImageError) as caught:
        decode(start + rest)
    assert str(caught.value).endswith(".")


@pytest.fixture(scope="module")
def sound(encode, encode_dicom) -> dict[str, bytes]:
    radiograph = np.arange(256, dtype=np.uint8).reshape(8, 32)
    pictures = {name: encode(Image.fromarray(radiograph), name) for name in ("PNG", "JPEG")}
    return pictures | {s: encode_dicom(radiograph, s) for s in ("explicit", "implicit", "jpeg")}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "explicit", "implicit", "jpeg"]))
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_spoilt_radiograph_is_read_or_refused_by_an_image_error(data, kind, sound):
    spoilt = bytearray(sound[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        radiograph = decode(bytes(spoilt))
    except ImageError as error:
        sentence, range_ = str(error), (0.0, 1.0)
    else:
        sentence, range_ = (
            "A film.",
            (float(radiograph.pixels.min()), float(radiograph.pixels.max())),
        )
    assert sentence.endswith(".")
    assert 0 <= range_[0] <= range_[1] <= 1


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "deflated", "jpeg"])
def test_a_dicom_is_measured_without_its_pixels(syntax, encode_dicom):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50), np.uint8)
    assert open_upload(encode_dicom(pixels, syntax)).pixels == 1500
    # The image itself is not looked at: a file cut off before its end has the same size.
    assert open_upload(encode_dicom(pixels, syntax)[:-100]).pixels == 1500


def test_pictures_are_measured_from_their_header(grey, encode):
    picture = Image.fromarray(grey)
    for name in ("PNG", "JPEG"):
        assert open_upload(encode(picture, name)[:-20]).pixels == grey.size


def test_what_the_header_does_not_tell_is_measured_as_the_most_allowed(encode_dicom):
    limits = Limits(max_pixels=2000)
    pixels = np.zeros((30, 50), np.uint8)
    assert open_upload(encode_dicom(pixels, Rows=None), limits).pixels == 2000
    assert open_upload(encode_dicom(pixels, Rows=0), limits).pixels == 2000


def test_what_is_refused_is_refused_when_measured(grey, encode, encode_dicom):
    limits = Limits(max_pixels=grey.size - 1)
    for data in (encode(Image.fromarray(grey), "PNG"), encode_dicom(grey)):
        with pytest.raises(TooManyPixels):
            open_upload(data, limits)
    with pytest.raises(EmptyFile):
        open_upload(b"")
    with pytest.raises(UnsupportedFormat):
        open_upload(b"%PDF-1.7")
