"""PALETTE COLOR: grey palettes keep their levels, coloured ones become luma."""

import numpy as np
import pytest

from pneumonia.errors import UnsupportedEncoding
from pneumonia.imaging import decode

PLACES = np.array([[0, 1, 2, 3]], np.uint8)
COLOUR = "The picture has colour; a chest X-ray is grey."


def palette(red, green=None, blue=None, *, bits=16, first=0, order="<", attributes=None):
    """The attributes of a palette; grey where one channel is given."""
    found = {"PhotometricInterpretation": "PALETTE COLOR"}
    channels = zip(("Red", "Green", "Blue"), (red, green or red, blue or red), strict=True)
    for name, entries in channels:
        found[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), first, bits]
        words = np.array(entries, f"{order}u2").tobytes()
        found[f"{name}PaletteColorLookupTableData"] = words
    return found | (attributes or {})


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "deflated", "rle"])
def test_a_grey_palette_of_16_bits_keeps_its_depth(syntax, encode_dicom):
    entries = [0, 300, 40_001, 65_535]
    order = ">" if syntax == "big" else "<"
    radiograph = decode(encode_dicom(PLACES, syntax, **palette(entries, order=order)))
    np.testing.assert_array_equal(
        radiograph.pixels, np.array([entries], np.float32) / np.float32(65_535)
    )
    assert (radiograph.value_range, radiograph.warnings) == ((0, 65_535), ())


def test_bytes_called_16_bits_are_read_as_8(encode_dicom):
    radiograph = decode(encode_dicom(PLACES, **palette([0, 10, 200, 255])))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 10, 200, 255]])


def test_a_channel_without_colour_does_not_change_the_scale_of_the_others(encode_dicom):
    dark = [0, 1, 2, 3]
    radiograph = decode(encode_dicom(PLACES, **palette([0, 0, 60_000, 60_000], dark, dark)))
    assert radiograph.pixels[0, 3] == pytest.approx((0.299 * 60_000 + 0.701 * 3) / 65_535)
    assert radiograph.warnings == (COLOUR,)


@pytest.mark.parametrize("syntax", ["explicit", "big"])
def test_8_bit_entries_may_be_packed_two_to_a_word(syntax, encode_dicom):
    order = ">u2" if syntax == "big" else "<u2"
    packed = np.frombuffer(bytes([0, 60, 130, 255]), "<u2").astype(order).tobytes()
    attributes = palette([0, 0, 0, 0], bits=8) | {
        f"{name}PaletteColorLookupTableData": packed for name in ("Red", "Green", "Blue")
    }
    radiograph = decode(encode_dicom(PLACES, syntax, **attributes))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 60, 130, 255]])


def test_places_outside_the_palette_are_its_ends(encode_dicom):
    places = np.array([[0, 9, 10, 11, 12, 255]], np.uint8)
    radiograph = decode(encode_dicom(places, **palette([1000, 30_000, 65_000], first=10)))
    expected = np.array([[1000, 1000, 1000, 30_000, 65_000, 65_000]]) / 65_535
    np.testing.assert_allclose(radiograph.pixels, expected, atol=1e-6)


def test_a_small_coloured_marker_does_not_make_it_a_photograph(encode_dicom):
    red, green = [0, 65_535], [0, 0]
    places = np.zeros((100, 100), np.uint8)
    places[0, :10] = 1  # one pixel in a thousand
    assert decode(encode_dicom(places, **palette(red, green, green))).warnings == ()
    places[1, 0] = 1
    assert decode(encode_dicom(places, **palette(red, green, green))).warnings == (COLOUR,)


@pytest.mark.parametrize(
    "broken",
    [
        {"RedPaletteColorLookupTableData": None},
        {"BluePaletteColorLookupTableDescriptor": None},
        {"GreenPaletteColorLookupTableData": b"\0\1"},
        {"RedPaletteColorLookupTableDescriptor": [0, 0, 16]},  # 0 is 65,536 entries
        {"RedPaletteColorLookupTableDescriptor": [4, 0, 32]},
        {
            "RedPaletteColorLookupTableDescriptor": [3, 0, 16],
            "RedPaletteColorLookupTableData": bytes(6),
        },
    ],
)
def test_a_palette_that_is_not_whole_is_refused(broken, encode_dicom):
    attributes = palette([0, 1, 2, 3])
    kept = {name: value for name, value in (attributes | broken).items() if value is not None}
    with pytest.raises(UnsupportedEncoding, match=r"Palette Color Lookup Tables \(0028,1101\)"):
        decode(encode_dicom(PLACES, **kept))
