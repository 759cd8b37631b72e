"""Can this film be read at all? Refusals raise; doubts become warnings beside the verdict.

These checks look at size and contrast only. They do not know a chest from a hand: that needs the
lungs, and is not claimed.
"""

import numpy as np

from pneumonia.analysis.finding import Quality
from pneumonia.errors import FilmTooFlat, FilmTooSmall
from pneumonia.imaging.radiograph import Radiograph

MIN_SIDE_PIXELS = 64
LOW_SIDE_PIXELS = 224  # the network's input: below it, detail is made up by enlargement
MIN_CONTRAST = 0.03  # of the full range, between the 0.5th and 99.5th percentile
LOW_CONTRAST = 0.15
MAX_ASPECT = 2.2  # long side over short side; the public films reach 2.1
_SAMPLE = 256  # about this many pixels a side are enough to judge contrast


def check(radiograph: Radiograph) -> Quality:
    """Judge a film before the network sees it.

    Raises
    ------
    FilmTooSmall, FilmTooFlat
        When no verdict on it could mean anything.
    """
    short, long = sorted((radiograph.width, radiograph.height))
    size = f"{radiograph.width} x {radiograph.height} pixels"
    if short < MIN_SIDE_PIXELS:
        raise FilmTooSmall(
            f"The image is {size}; at least {MIN_SIDE_PIXELS} on the shorter side are needed. "
            "Upload the film itself, not a thumbnail."
        )
    contrast = _contrast(radiograph)
    if contrast < MIN_CONTRAST:
        raise FilmTooFlat(
            f"The grey levels span {contrast:.1%} of the range; at least {MIN_CONTRAST:.0%} are "
            "needed. The image is blank or nearly so: export it again with its window applied."
        )
    warnings = list(radiograph.warnings)
    if short < LOW_SIDE_PIXELS:
        warnings.append(f"The image is small ({size}): fine detail is missing.")
    if contrast < LOW_CONTRAST:
        warnings.append(f"The contrast is low: the grey levels span {contrast:.0%} of the range.")
    if long > MAX_ASPECT * short:
        warnings.append(f"The image is unusually long for a chest film ({size}).")
    return Quality(accepted=True, warnings=tuple(warnings))


def _contrast(radiograph: Radiograph) -> float:
    """Difference of the 99.5th and 0.5th percentile, in [0, 1], on a grid over the film."""
    pixels = radiograph.pixels
    step_y, step_x = (max(1, n // _SAMPLE) for n in pixels.shape)
    low, high = np.percentile(pixels[::step_y, ::step_x], (0.5, 99.5))
    return float(high - low)
