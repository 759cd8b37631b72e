"""DICOM's grayscale pipeline: stored values to grey levels, by the standard's arithmetic."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut

from pneumonia.errors import DamagedImage
from pneumonia.imaging import decode

DEPTH_12 = np.array([[0, 1, 2048], [4000, 4094, 4095]], np.uint16)
SIGNED = np.array([[-2048, -1], [0, 2047]], np.int16)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "deflated"])
def test_12_bits_in_16_are_scaled_by_bits_stored(syntax, encode_dicom):
    radiograph = decode(encode_dicom(DEPTH_12, syntax, BitsStored=12))
    assert (radiograph.format, radiograph.width, radiograph.height, radiograph.bits) == (
        "DICOM",
        3,
        2,
        12,
    )
    assert radiograph.value_range == (0, 4095)
    assert radiograph.warnings == ()
    np.testing.assert_array_equal(radiograph.pixels, DEPTH_12.astype(np.float32) / np.float32(4095))
    assert not radiograph.pixels.flags.writeable


def test_8_bits_are_levels_over_255(grey, encode_dicom):
    radiograph = decode(encode_dicom(grey))
    np.testing.assert_array_equal(radiograph.pixels, grey.astype(np.float32) / np.float32(255))


def test_monochrome1_is_turned_into_monochrome2(encode_dicom):
    radiograph = decode(
        encode_dicom(DEPTH_12, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    )
    np.testing.assert_allclose(radiograph.pixels, 1 - DEPTH_12 / 4095, atol=1e-6)
    assert radiograph.value_range == (0, 4095)


def test_monochrome1_is_inverted_after_its_window(encode_dicom):
    radiograph = decode(
        encode_dicom(
            np.array([[0, 100, 150, 200, 255]], np.uint8),
            PhotometricInterpretation="MONOCHROME1",
            PresentationLUTShape="INVERSE",  # says the same again, not the contrary
            WindowCenter=150,
            WindowWidth=100,
            VOILUTFunction="LINEAR_EXACT",
        )
    )
    np.testing.assert_allclose(radiograph.pixels, [[1, 1, 0.5, 0, 0]], atol=1e-6)
    assert radiograph.warnings == ()


def test_signed_values_are_scaled_by_their_signed_depth(encode_dicom):
    radiograph = decode(encode_dicom(SIGNED, BitsStored=12))
    np.testing.assert_allclose(radiograph.pixels, (SIGNED + 2048) / 4095, atol=1e-6)
    assert radiograph.value_range == (-2048, 2047)


def test_bits_above_bits_stored_are_ignored(encode_dicom):
    dirty = DEPTH_12 | np.uint16(0xA000)
    clean, radiograph = (decode(encode_dicom(p, BitsStored=12)) for p in (DEPTH_12, dirty))
    np.testing.assert_array_equal(radiograph.pixels, clean.pixels)


def test_rescale_gives_the_range_in_its_units_and_the_same_picture(encode_dicom):
    radiograph = decode(
        encode_dicom(DEPTH_12, BitsStored=12, RescaleSlope=0.5, RescaleIntercept=-1000)
    )
    assert radiograph.value_range == (-1000, 1047.5)
    np.testing.assert_allclose(radiograph.pixels, DEPTH_12 / 4095, atol=1e-6)


def test_a_negative_rescale_slope_inverts(encode_dicom):
    radiograph = decode(
        encode_dicom(DEPTH_12, BitsStored=12, RescaleSlope=-1, RescaleIntercept=4095)
    )
    np.testing.assert_allclose(radiograph.pixels, 1 - DEPTH_12 / 4095, atol=1e-6)


def test_the_window_is_applied_after_rescale(encode_dicom):
    # C.11.2.1.2.1: x <= c - 0.5 - (w - 1) / 2 is black, x > c - 0.5 + (w - 1) / 2 is white.
    values = np.array([[0, 1000, 1500, 2000, 4095]], np.uint16)
    radiograph = decode(
        encode_dicom(
            values,
            BitsStored=12,
            RescaleSlope=1,
            RescaleIntercept=-1000,
            WindowCenter=500.5,
            WindowWidth=1001,
        )
    )
    np.testing.assert_allclose(radiograph.pixels, [[0, 0, 0.5, 1, 1]], atol=1e-6)
    assert radiograph.value_range == (-1000, 3095)


def test_the_first_of_several_windows_is_used(encode_dicom):
    values = np.array([[0, 50, 100, 255]], np.uint8)
    radiograph = decode(encode_dicom(values, WindowCenter=[50.5, 9], WindowWidth=[101, 3]))
    np.testing.assert_allclose(radiograph.pixels, [[0, 0.5, 1, 1]], atol=1e-6)


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")  # pydicom's
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (1000, 300.5), (3000, 1)])
def test_windows_agree_with_pydicom(function, centre, width, encode_dicom):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    radiograph = decode(
        encode_dicom(
            values,
            BitsStored=12,
            WindowCenter=centre,
            WindowWidth=width,
            VOILUTFunction=function,
        )
    )
    reference = Dataset()
    reference.PhotometricInterpretation = "MONOCHROME2"
    reference.BitsStored, reference.PixelRepresentation = 12, 0
    reference.WindowCenter, reference.WindowWidth = centre, width
    reference.VOILUTFunction = function
    np.testing.assert_allclose(
        radiograph.pixels, apply_voi_lut(values, reference) / 4095, atol=2e-4
    )


def test_a_window_that_cannot_be_used_is_ignored_with_a_warning(grey, encode_dicom):
    radiograph = decode(encode_dicom(grey, WindowCenter=100, WindowWidth=0))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), grey)
    (warning,) = radiograph.warnings
    assert "window (0028,1050), (0028,1051) cannot be used; the whole grey range" in warning


@pytest.mark.parametrize("slope", ["0", "1e300", "-1e7", "nan"])
def test_a_rescale_slope_that_would_erase_the_radiograph_is_damage(slope, grey, encode_dicom):
    data = encode_dicom(grey, RescaleSlope="1234.5").replace(b"1234.5", slope.ljust(6).encode())
    with pytest.raises(DamagedImage, match=r"\(0028,1053\) Rescale Slope .* is out of range"):
        decode(data)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_voi_lut_sequence_maps_and_holds_its_ends(syntax, encode_dicom, make_table):
    values = np.array([[0, 10, 11, 12, 13, 200]], np.uint8)
    table = make_table([0, 300, 500, 1023], first=10, bits=10)
    radiograph = decode(encode_dicom(values, syntax, VOILUTSequence=[table]))
    np.testing.assert_allclose(
        radiograph.pixels, np.array([[0, 0, 300, 500, 1023, 1023]]) / 1023, atol=1e-6
    )


@pytest.mark.parametrize("syntax", ["explicit", "big"])
@pytest.mark.parametrize("packed", [True, False])
def test_lut_data_may_be_words_or_packed_bytes(syntax, packed, encode_dicom, make_table):
    table = make_table([0, 60, 130, 255], first=10, bits=8)
    order = ">u2" if syntax == "big" else "<u2"
    outputs = [0, 60, 130, 255]
    if packed:  # two to a word, the first in its lower half, whatever the order of the word's bytes
        words = np.frombuffer(bytes(outputs), "<u2").astype(order).tobytes()
    else:
        words = np.array(outputs, order).tobytes()
    table.add_new("LUTData", "OW", words)
    values = np.array([[0, 11, 12, 200]], np.uint8)
    radiograph = decode(encode_dicom(values, syntax, VOILUTSequence=[table]))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 60, 130, 255]])


def test_modality_lut_sequence_comes_before_the_window(encode_dicom, make_table):
    values = np.array([[0, 1, 2, 3]], np.uint8)
    table = make_table([0, 1000, 3000, 4095], first=0, bits=12)
    radiograph = decode(
        encode_dicom(
            values,
            ModalityLUTSequence=[table],
            WindowCenter=2000,
            WindowWidth=2000,
            VOILUTFunction="LINEAR_EXACT",
        )
    )
    np.testing.assert_allclose(radiograph.pixels, [[0, 0, 1, 1]], atol=1e-6)
    assert radiograph.value_range == (0, 4095)
    plain = decode(encode_dicom(values, ModalityLUTSequence=[table]))
    np.testing.assert_allclose(plain.pixels, np.array([[0, 1000, 3000, 4095]]) / 4095, atol=1e-6)


def test_a_lut_of_signed_values_starts_below_zero(encode_dicom, make_table):
    table = make_table([0, 100, 255], first=-1, bits=8, signed=True)
    values = np.array([[-5, -1, 0, 1, 9]], np.int16)
    radiograph = decode(encode_dicom(values, BitsStored=12, VOILUTSequence=[table]))
    np.testing.assert_array_equal(np.rint(radiograph.pixels * 255), [[0, 0, 100, 255, 255]])


def test_a_lut_that_contradicts_its_descriptor_is_damage(grey, encode_dicom, make_table):
    table = make_table([1, 2, 3], first=0, bits=8)
    table.LUTDescriptor = [4, 0, 8]
    with pytest.raises(DamagedImage, match=r"\(0028,3010\) VOI LUT Sequence .*\(0028,3002\)"):
        decode(encode_dicom(grey, VOILUTSequence=[table]))
