import numpy as np
import pytest

from pneumonia.analysis import gate
from pneumonia.errors import RadiographTooFlat, RadiographTooSmall
from pneumonia.imaging import Radiograph
from pneumonia.imaging.synthetic import synthetic_radiograph


def radiograph(pixels, warnings=()) -> Radiograph:
    return Radiograph(pixels.astype(np.float32), "PNG", 8, (0, 255), "", warnings)


def ramp(height: int, width: int, low: float = 0.0, high: float = 1.0) -> Radiograph:
    return radiograph(np.linspace(low, high, height * width).reshape(height, width))


def test_a_sound_radiograph_passes_without_a_word() -> None:
    quality = gate.check(radiograph(synthetic_radiograph(1, opacity=False) / 255))
    assert quality.accepted
    assert quality.warnings == ()


def test_what_decoding_noticed_is_passed_on() -> None:
    noticed = radiograph(synthetic_radiograph(1, opacity=False) / 255, ("It has colour.",))
    assert gate.check(noticed).warnings == ("It has colour.",)


@pytest.mark.parametrize("shape", [(63, 500), (500, 63), (1, 1)])
def test_too_small(shape) -> None:
    with pytest.raises(RadiographTooSmall, match=f"{shape[1]} x {shape[0]} pixels; at least 64"):
        gate.check(ramp(*shape))


def test_the_smallest_radiograph_that_passes_is_warned_of() -> None:
    (warning,) = gate.check(ramp(64, 64)).warnings
    assert warning == "The image is small (64 x 64 pixels): fine detail is missing."


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_blank_radiograph_is_refused(level) -> None:
    with pytest.raises(RadiographTooFlat, match=r"span 0\.0% of the range"):
        gate.check(radiograph(np.full((300, 300), level)))


def test_a_letter_on_a_blank_radiograph_is_no_contrast() -> None:
    pixels = np.zeros((300, 300))
    pixels[:10, :10] = 1
    with pytest.raises(RadiographTooFlat):
        gate.check(radiograph(pixels))


def test_low_contrast_is_a_warning() -> None:
    (warning,) = gate.check(ramp(300, 300, 0.4, 0.5)).warnings
    assert warning == "The contrast is low: the grey levels span 10% of the range."


def test_a_very_long_radiograph_is_a_warning() -> None:
    (warning,) = gate.check(ramp(300, 700)).warnings
    assert warning == "The image is unusually long for a chest film (700 x 300 pixels)."
