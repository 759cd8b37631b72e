"""What a DICOM file says that its reader should know, and objects that hold no film."""

import numpy as np
import pytest

from pneumonia.errors import NoPixelData, UnsupportedEncoding
from pneumonia.imaging import decode

STRETCHED = "The film's pixels are not square, as the DICOM file says"
BURNED_IN = "The DICOM file says that text is burned into the picture (0028,0301)"


@pytest.mark.parametrize(
    ("attributes", "warned"),
    [
        ({"PixelSpacing": [0.2, 0.2]}, False),
        ({"PixelSpacing": [0.2, 0.201]}, False),
        ({"PixelSpacing": [0.2, 0.21]}, True),
        ({"ImagerPixelSpacing": [0.4, 0.2]}, True),
        ({"PixelAspectRatio": [1, 2]}, True),
        ({"PixelSpacing": [0, 0]}, False),  # some files say so
        ({"PixelSpacing": [0.2, 0.2], "PixelAspectRatio": [1, 2]}, False),  # the first decides
        ({}, False),
    ],
)
def test_pixels_that_are_not_square_are_pointed_out(attributes, warned, grey, encode_dicom):
    warnings = decode(encode_dicom(grey, **attributes)).warnings
    assert [warning.startswith(STRETCHED) for warning in warnings] == [True] * warned


@pytest.mark.parametrize(("value", "warned"), [("YES", True), ("NO", False), ("", False)])
def test_text_burned_in_is_pointed_out(value, warned, grey, encode_dicom):
    warnings = decode(encode_dicom(grey, BurnedInAnnotation=value)).warnings
    assert [warning.startswith(BURNED_IN) for warning in warnings] == [True] * warned


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State Storage"),
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR Storage"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_an_object_without_a_picture_is_called_by_its_kind(uid, name, grey, encode_dicom):
    with pytest.raises(NoPixelData) as caught:
        decode(encode_dicom(grey, SOPClassUID=uid, PixelData=None))
    assert f"of the kind {name} (0008,0016)" in str(caught.value)
    assert "send the film itself" in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "dtype", "tag"),
    [("FloatPixelData", "<f4", "0008"), ("DoubleFloatPixelData", "<f8", "0009")],
)
def test_pixels_of_floating_point_are_refused_as_that(keyword, dtype, tag, grey, encode_dicom):
    large = np.zeros(2_000_000, dtype).tobytes()
    with pytest.raises(UnsupportedEncoding, match=rf"{keyword} \(7FE0,{tag}\).*a map"):
        decode(encode_dicom(grey, PixelData=None, **{keyword: large}))


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "jpeg-2000"])
def test_a_film_that_is_stored_mirrored_is_turned_round(syntax, grey, encode_dicom):
    plain = decode(encode_dicom(grey, syntax, PatientOrientation=["L", "F"]))
    mirrored = decode(encode_dicom(grey, syntax, PatientOrientation=["R", "F"]))
    np.testing.assert_array_equal(mirrored.pixels, plain.pixels[:, ::-1])
    assert plain.warnings == ()
    (warning,) = mirrored.warnings
    assert warning == (
        "The DICOM file says that the film is stored mirrored, Patient Orientation (0020,0020) "
        "R\\F: it was turned round, and is read and shown with the patient's right on the left."
    )


@pytest.mark.parametrize("said", [["A", "F"], ["R", "H"], ["F", "R"], "R", "", ["", "F"]])
def test_other_orientations_are_left_as_they_are(said, grey, encode_dicom):
    found = decode(encode_dicom(grey, PatientOrientation=said))
    np.testing.assert_array_equal(found.pixels, decode(encode_dicom(grey)).pixels)
    assert found.warnings == ()
