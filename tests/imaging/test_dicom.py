"""DICOM files: which are read, what is refused, and in which words."""

import builtins
import struct
import sys
import tracemalloc
import zlib

import numpy as np
import pytest

from pneumonia.errors import (
    DamagedImage,
    FileTooLarge,
    NoPixelData,
    TooManyPixels,
    UnsupportedEncoding,
)
from pneumonia.imaging import Limits, decode
from pneumonia.imaging.radiograph import Facts

DEPTH_12 = np.array([[0, 1, 2048], [4000, 4094, 4095]], np.uint16)
SIGNED = np.array([[-2048, -1], [0, 2047]], np.int16)


def test_jpeg_baseline_is_decoded(encode_dicom):
    ramp = np.tile(np.arange(40, 200, dtype=np.uint8), (64, 1))
    radiograph = decode(encode_dicom(ramp, "jpeg"))
    assert (radiograph.width, radiograph.height, radiograph.bits) == (160, 64, 8)
    assert np.abs(radiograph.pixels * 255 - ramp).max() <= 3


def test_a_contradictory_presentation_lut_shape_is_pointed_out(grey, encode_dicom):
    radiograph = decode(encode_dicom(grey, PresentationLUTShape="INVERSE"))
    assert radiograph.pixels[0, 0] == 0  # the photometric interpretation decides
    (warning,) = radiograph.warnings
    assert "(0028,0004) is MONOCHROME2 and (2050,0020) is INVERSE" in warning


def test_rgb_is_read_as_luma(encode_dicom):
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[..., 0] = 255
    radiograph = decode(encode_dicom(rgb))
    np.testing.assert_allclose(radiograph.pixels, 0.299, atol=0.003)
    assert radiograph.warnings == ("The picture has colour; a chest X-ray is grey.",)


def test_ybr_jpeg_that_is_grey_has_no_colour_warning(encode_dicom):
    rgb = np.full((16, 16, 3), 120, np.uint8)
    radiograph = decode(encode_dicom(rgb, "jpeg", PhotometricInterpretation="YBR_FULL_422"))
    np.testing.assert_allclose(radiograph.pixels * 255, 120, atol=1.01)
    assert radiograph.warnings == ()


def test_a_data_set_without_preamble_is_read(encode_dicom):
    data = encode_dicom(DEPTH_12, BitsStored=12)
    bare = data[144 + int.from_bytes(data[140:144], "little") :]
    np.testing.assert_array_equal(decode(bare).pixels, decode(data).pixels)
    np.testing.assert_array_equal(decode(data[132:]).pixels, decode(data).pixels)


def test_the_facts_of_the_picture_are_read(grey, encode_dicom):
    data = encode_dicom(
        grey, Modality="DX", BodyPartExamined="CHEST", ViewPosition="AP", ImageLaterality="L"
    )
    assert decode(data).facts == Facts(None, "DX", "CHEST", "AP", "L")
    assert decode(data).warnings == ()
    assert decode(encode_dicom(grey)).facts.age_years is None


@pytest.mark.parametrize(
    ("text", "years"),
    [("005Y", 5), ("018M", 1.5), ("060W", 1.15), ("011M", 0.917), ("62", 62), ("x", None)],
)
@pytest.mark.filterwarnings("ignore:.*is not valid for elements with a VR:UserWarning")
@pytest.mark.filterwarnings("ignore:Invalid value for VR AS:UserWarning")
def test_an_age_is_read_in_years(text, years, grey, encode_dicom):
    found = decode(encode_dicom(grey, PatientAge=text)).facts.age_years
    assert found == (years if years is None else pytest.approx(years, abs=0.005))


@pytest.mark.filterwarnings("ignore:.*is not valid for elements with a VR:UserWarning")
@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"NumberOfFrames": -1}, r"NumberOfFrames \(0028,0008\) is -1; 1 or more are read"),
        (
            {"PhotometricInterpretation": "HSV"},
            r"PhotometricInterpretation \(0028,0004\) is HSV; MONOCHROME1, MONOCHROME2, PALETTE",
        ),
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            r"Palette Color Lookup Tables \(0028,1101\) to \(0028,1203\) are missing",
        ),
        ({"PixelRepresentation": 2}, r"PixelRepresentation \(0028,0103\) is neither 0 nor 1"),
        ({"PhotometricInterpretation": None}, r"\(0028,0004\) is missing"),
        ({"SamplesPerPixel": 3}, r"\(0028,0002\) is 3; it does not fit MONOCHROME2"),
        ({"BitsStored": 7}, r"BitsStored \(0028,0101\) is 7; 8 to 16 bits"),
        ({"BitsStored": 17}, r"BitsStored \(0028,0101\) is 17"),
        ({"BitsAllocated": 32}, r"BitsAllocated \(0028,0100\) is 32"),
        ({"HighBit": 15, "BitsStored": 12}, r"HighBit \(0028,0102\) is 15; it must be 11"),
        (
            {"VOILUTFunction": "CUBIC", "WindowCenter": 9, "WindowWidth": 9},
            r"\(0028,1056\) VOI LUT Function is not LINEAR",
        ),
    ],
)
def test_unsupported_variants_name_the_attribute_and_its_tag(attributes, words, encode_dicom):
    with pytest.raises(UnsupportedEncoding, match=f"{words}.*Export the film as"):
        decode(encode_dicom(DEPTH_12, **attributes))


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component"),
        ("1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical"),
        ("1.2.3.4.5", "an unknown one"),
    ],
)
def test_other_transfer_syntaxes_are_named(syntax, name, grey, encode_dicom):
    baseline = b"1.2.840.10008.1.2.4.50"
    uid = syntax.encode().ljust(len(baseline), b"\0")
    with pytest.raises(UnsupportedEncoding) as caught:
        decode(encode_dicom(grey, "jpeg").replace(baseline, uid, 1))
    assert f"transfer syntax (0002,0010) is {name}" in str(caught.value)
    assert f"({syntax}), which is not decoded" in str(caught.value)
    assert "Export the film as uncompressed DICOM, JPEG or PNG." in str(caught.value)


def test_a_file_without_pixel_data_is_told_apart(grey, encode_dicom):
    with pytest.raises(NoPixelData, match=r"no Pixel Data \(7FE0,0010\)"):
        decode(encode_dicom(grey, PixelData=None))


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsStored", "BitsAllocated"])
def test_a_missing_attribute_is_named(keyword, grey, encode_dicom):
    with pytest.raises(DamagedImage, match=rf"{keyword} \(0028,\d{{4}}\) is missing"):
        decode(encode_dicom(grey, HighBit=7, **{keyword: None}))


def test_short_pixel_data_says_how_much_is_missing(grey, encode_dicom):
    with pytest.raises(DamagedImage) as caught:
        decode(encode_dicom(grey, PixelData=bytes(200)))
    assert "Pixel Data (7FE0,0010) holds 200 bytes; 32 x 8 pixels need 256" in str(caught.value)


def test_zero_rows_are_damage(grey, encode_dicom):
    with pytest.raises(DamagedImage, match=r"declares 32 x 0 pixels, \(0028,0011\)"):
        decode(encode_dicom(grey, Rows=0))


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "jpeg"])
def test_a_cut_file_is_damage_and_names_the_pixel_data(syntax, encode_dicom):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    data = encode_dicom(noise, syntax)
    marker = b"\x7f\xe0\x00\x10" if syntax == "big" else b"\xe0\x7f\x10\x00"
    start = data.index(marker) + 24
    for length in range(start, len(data) - 12, 97):
        with pytest.raises(DamagedImage, match=r"\(7FE0,0010\).*Copy or export"):
            decode(data[:length])


def test_a_jpeg_of_another_size_than_declared_is_damage(encode_dicom):
    with pytest.raises(DamagedImage) as caught:
        decode(encode_dicom(np.zeros((32, 48), np.uint8), "jpeg", Rows=16))
    assert "holds a picture of 48 x 32 pixels, 1 x 8 bits each" in str(caught.value)
    assert "say 48 x 16, 1 x 8" in str(caught.value)


def test_a_broken_jpeg_inside_is_damage(encode_dicom):
    data = bytearray(encode_dicom(np.zeros((32, 48), np.uint8), "jpeg"))
    at = data.index(b"\xff\xd8\xff")
    data[at : at + 3] = b"\0\0\0"
    with pytest.raises(DamagedImage, match=r"\(7FE0,0010\) holds no JPEG where one is"):
        decode(bytes(data))


def test_a_deflated_file_is_unpacked_no_further_than_its_film(encode_dicom):
    data = encode_dicom(np.zeros((2000, 2000), np.uint16), "deflated")
    assert len(data) < 50_000
    assert decode(data).width == 2000
    with pytest.raises(TooManyPixels, match="2,000 x 2,000"):
        decode(data, Limits(max_pixels=1_000_000))
    behind = encode_dicom(np.zeros((10, 10), np.uint8), "deflated", PixelData=bytes(20_000_000))
    with pytest.raises(FileTooLarge, match=r"more than 16 MB before a film of 100 values ends"):
        decode(behind)
    before = with_inserted(
        encode_dicom(np.zeros((10, 10), np.uint8), "deflated"),
        struct.pack("<HH2sHI", 0x0031, 0x1010, b"OB", 0, 20_000_000) + bytes(20_000_000),
    )
    with pytest.raises(FileTooLarge, match=r"more than 16 MB before its image begins"):
        decode(before)


def test_a_file_of_countless_attributes_is_refused(grey, encode_dicom):
    data = encode_dicom(grey)
    at = data.index(b"\xe0\x7f\x10\x00")
    empty = b"".join(
        struct.pack("<HH2sH", 0x0031, element, b"CS", 0) for element in range(0x10, 0xF000)
    )
    with pytest.raises(DamagedImage, match=r"more than 50,000 attributes"):
        decode(data[:at] + empty + data[at:])
    few = empty[: 8 * 1000]
    np.testing.assert_array_equal(decode(data[:at] + few + data[at:]).pixels, decode(data).pixels)


def nested(depth: int, items: int = 1, *, implicit: bool = False) -> bytes:
    """An undefined-length private sequence of empty items, within others as deep."""
    begin = b"\x31\0\x10\x10" + (b"" if implicit else b"SQ\0\0") + b"\xff" * 4
    item, end_of_item = b"\xfe\xff\0\xe0" + b"\xff" * 4, b"\xfe\xff\x0d\xe0" + bytes(4)
    inner = (b"\xfe\xff\0\xe0" + bytes(4)) * items
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    return (begin + item) * (depth - 1) + begin + inner + end + (end_of_item + end) * (depth - 1)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "deflated"])
def test_countless_items_cost_neither_time_nor_memory(syntax, grey, encode_dicom):
    """Of 400,000 items pydicom makes 300 MB of objects."""
    implicit = syntax == "implicit"
    data = with_inserted(encode_dicom(grey, syntax), nested(1, 400_000, implicit=implicit))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedImage, match=r"more than 50,000 attributes"):
            decode(data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 30e6


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_sequences_too_deep_are_refused_and_usual_ones_are_read(syntax, grey, encode_dicom):
    plain, implicit = encode_dicom(grey, syntax), syntax == "implicit"
    with pytest.raises(DamagedImage, match="sequences within sequences, more than 16 deep"):
        decode(with_inserted(plain, nested(5000, implicit=implicit)))
    usual = decode(with_inserted(plain, nested(3, 5, implicit=implicit)))
    np.testing.assert_array_equal(usual.pixels, decode(plain).pixels)


def with_inserted(data: bytes, element: bytes) -> bytes:
    """The file with an element before its Pixel Data."""
    start = 144 + int.from_bytes(data[140:144], "little")
    if b"1.2.840.10008.1.2.1.99" in data[:start]:
        inflated = zlib.decompress(data[start:], -zlib.MAX_WBITS)
        at = inflated.index(b"\xe0\x7f\x10\x00")
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return (
            data[:start] + packer.compress(inflated[:at] + element + inflated[at:]) + packer.flush()
        )
    at = data.index(b"\xe0\x7f\x10\x00")
    return data[:at] + element + data[at:]


def test_a_value_of_millions_is_refused(grey, encode_dicom):
    many = struct.pack("<HH2sHI", 0x0028, 0x1050, b"UT", 0, 4_000_000) + b"1\\" * 2_000_000
    with pytest.raises(DamagedImage, match=r"\(0028,1050\) holds 4,000,000 bytes; at most 4,096"):
        decode(with_inserted(encode_dicom(grey), many))


def test_the_deflated_syntaxs_uid_elsewhere_is_a_text_like_any_other(grey, encode_dicom):
    plain = encode_dicom(grey)
    uid = b"1.2.840.10008.1.2.1.99"
    element = struct.pack("<HH2sH", 0x0008, 0x3002, b"UI", len(uid)) + uid
    found = decode(with_inserted(plain, element))
    np.testing.assert_array_equal(found.pixels, decode(plain).pixels)


def test_what_follows_the_image_is_not_read(grey, encode_dicom):
    data = encode_dicom(grey)
    trailer = struct.pack("<HH2sHI", 0x7FE1, 0x0010, b"OB", 0, 8) + b"Doe^Jane"
    np.testing.assert_array_equal(decode(data + trailer).pixels, decode(data).pixels)


def test_a_deflated_file_without_group_length_is_read(grey, encode_dicom):
    data = encode_dicom(grey, "deflated")
    found = decode(data[:132] + data[144:])
    np.testing.assert_array_equal(found.pixels, decode(data).pixels)


def test_no_sentence_and_no_attribute_carries_the_patient(grey, encode_dicom):
    radiograph = decode(encode_dicom(grey, Modality="MR", BodyPartExamined="HAND"))
    kept = repr([getattr(radiograph, name) for name in radiograph.__dataclass_fields__])
    with pytest.raises(DamagedImage) as caught:
        decode(encode_dicom(grey, PixelData=bytes(200)))
    for text in (kept, str(caught.value)):
        assert "Doe" not in text
        assert "4711" not in text


def test_a_hostile_code_string_is_made_harmless(grey, encode_dicom):
    name = "<script>\n"
    data = encode_dicom(grey, Modality="MODALITY1").replace(b"MODALITY1", name.encode())
    assert decode(data).facts.modality == "?SCRIPT??"


def test_rasters_are_read_where_pydicom_is_not_installed(grey, encode, monkeypatch):
    from PIL import Image

    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == "pydicom":
            raise ModuleNotFoundError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert decode(encode(Image.fromarray(grey), "PNG")).width == 32


def test_without_pydicom_the_sentence_says_what_to_install(grey, encode_dicom, monkeypatch):
    data = encode_dicom(grey)
    monkeypatch.setitem(sys.modules, "pydicom", None)  # makes `import pydicom` fail
    with pytest.raises(UnsupportedEncoding, match=r"needs the Python package pydicom.*PNG or JPEG"):
        decode(data)
