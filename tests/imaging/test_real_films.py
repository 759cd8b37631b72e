"""Real films, which lie beside the repository and never in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pneumonia.imaging import decode
from pneumonia.imaging.display import to_display
from pneumonia.imaging.preprocess import to_square

pytestmark = pytest.mark.real


def test_the_two_dicom_radiographs_are_read_as_they_were_stored(real_data: Path):
    plain = (real_data / "dicom" / "chest-dx-mono2-implicit.dcm").read_bytes()
    radiograph = decode(plain)
    assert (radiograph.format, radiograph.width, radiograph.height, radiograph.bits) == (
        "DICOM",
        1024,
        1024,
        8,
    )
    assert radiograph.value_range == (0, 252)
    stored = np.frombuffer(plain[-(1024 * 1024) :], np.uint8).reshape(1024, 1024)
    np.testing.assert_array_equal(to_display(radiograph.pixels), stored)

    packed = (real_data / "dicom" / "chest-pa-mono2-jpeg8.dcm").read_bytes()
    radiograph = decode(packed)
    assert (radiograph.width, radiograph.height, radiograph.bits, radiograph.value_range) == (
        1024,
        1024,
        8,
        (0, 254),
    )
    jpeg = np.frombuffer(packed[packed.index(b"\xff\xd8\xff") :], np.uint8)
    other = cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)
    assert np.abs(radiograph.pixels * 255 - other).max() <= 1.01


def test_every_original_decodes_and_equals_another_decoder(real_data: Path):
    radiographs = sorted((real_data / "originals").glob("*/*.jpeg"))
    assert len(radiographs) >= 100
    for path in radiographs:
        data = path.read_bytes()
        radiograph = decode(data)
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert (radiograph.format, radiograph.pixels.shape, radiograph.warnings) == (
            "JPEG",
            other.shape,
            (),
        ), path
        assert np.abs(radiograph.pixels * 255 - other).max() <= 3.01, path


def test_an_original_and_its_training_copy_give_the_same_square(real_data: Path):
    radiographs = sorted((real_data / "originals").glob("*/*.jpeg"))[::10]
    for path in radiographs:
        copy = real_data / "kermany" / "train" / path.parent.name / path.name
        original, small = decode(path.read_bytes()).pixels, decode(copy.read_bytes()).pixels
        np.testing.assert_array_equal(to_square(original, 224), to_square(small, 224), str(path))


def test_ct_and_photos_decode_too(real_data: Path):
    pictures = sorted((real_data / "not-chest-xray").glob("*/*"))[::9]
    warned = 0
    for path in pictures:
        radiograph = decode(path.read_bytes())
        assert 0 <= radiograph.pixels.min() <= radiograph.pixels.max() <= 1
        warned += "The picture has colour; a chest X-ray is grey." in radiograph.warnings
    assert warned >= 5
