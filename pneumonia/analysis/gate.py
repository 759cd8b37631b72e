"""Can this film be read at all? Refusals are errors; doubts become warnings beside the verdict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis import anatomy
from pneumonia.analysis.anatomy import LungPair
from pneumonia.analysis.finding import Quality
from pneumonia.analysis.gate_limits import Expected, GateLimits
from pneumonia.analysis.population import Population
from pneumonia.errors import (
    NotAChestRadiograph,
    RadiographCutOff,
    RadiographTooFlat,
    RadiographTooSmall,
    RadiographTurned,
    UnreadableRadiograph,
)
from pneumonia.imaging.lungs import Lungs
from pneumonia.imaging.radiograph import Radiograph
from pneumonia.phrases import phrase
from pneumonia.telemetry import OUTLIER_DISTANCES

if TYPE_CHECKING:  # it comes from torch's side of the house
    from pneumonia.analysis.lung_segmenter import LungSegmentation

INVERTED_NOTICE = (
    "The film is stored as a negative, bright and dark exchanged: its grey levels were "
    "inverted back before reading. It was neither rotated nor mirrored."
)
MIN_SIDE_PIXELS = 64
LOW_SIDE_PIXELS = 224  # the network's input: below it, detail is made up by enlargement
MIN_CONTRAST = 0.03  # of the full range, between the 0.5th and 99.5th percentile
LOW_CONTRAST = 0.15
MAX_ASPECT = 2.2  # long side over short side; the public films reach 2.1
_SAMPLE = 256  # about this many pixels a side are enough to judge contrast

_UPLOAD = "Upload the frontal film (PA or AP) itself, whole and with nothing beside it."
_WHOLE = "Export the whole film, with both lungs and some margin, and upload it again."
_LIES = {
    1: phrase("turned by 90 degrees anticlockwise. Turn it 90 degrees clockwise"),
    2: phrase("upside down. Turn it by 180 degrees"),
    3: phrase("turned by 90 degrees clockwise. Turn it 90 degrees anticlockwise"),
}


@dataclass(frozen=True, eq=False, slots=True)
class Examined:
    """A film as the gate leaves it.

    Attributes
    ----------
    radiograph
        With its grey levels inverted back if it came as a negative.
    square
        float32 (grid, grid) in [0, 1]: that film on the preprocessing's square grid.
    lungs
        None where the bundle has no lung network.
    refusal
        Why no verdict is given; None for a film that may be read.
    """

    radiograph: Radiograph
    square: NDArray[np.float32]
    lungs: Lungs | None
    quality: Quality
    refusal: UnreadableRadiograph | None = None


def judge(
    radiograph: Radiograph,
    segmentation: "LungSegmentation | None" = None,
    expected: Expected | None = None,
    population: Population | None = None,
    *,
    notes: tuple[str, ...] = (),
    inverted: bool = False,
    turns: int = 0,
) -> tuple[Quality, UnreadableRadiograph | None]:
    """The gate's word on a film: warnings, and a refusal if no verdict on it could mean anything.

    Parameters
    ----------
    segmentation
        What the lung network finds on the film as it is turned upright; without it size and
        contrast alone are judged.
    expected
        What that lung network finds on chest films; given with ``segmentation``.
    population
        Whose films the model knows; None where its card does not say.
    notes
        What the card finds that does not fit it.
    inverted
        The film came as a negative, and its grey levels have been inverted back.
    turns
        Quarter turns anticlockwise by which the film lies.
    """
    try:
        quality = check(radiograph)
        doubts: tuple[str, ...] = ()
        distance = None
        if segmentation is not None and expected is not None:
            doubts, distance = check_segmentation(segmentation, expected, population, turns)
    except UnreadableRadiograph as error:
        return Quality(False, radiograph.warnings, inverted), error
    notes += (INVERTED_NOTICE,) if inverted else ()
    warnings = quality.warnings + notes + doubts
    return Quality(True, warnings, inverted, distance), None


def is_inverted(segmentation: "LungSegmentation") -> bool:
    return segmentation.inverted > 0.5


def find_turns(segmentation: "LungSegmentation") -> int:
    """Quarter turns anticlockwise by which the film seems to lie, 0 to 3."""
    return int(segmentation.turned.argmax())


def check(radiograph: Radiograph) -> Quality:
    """Judge a film's size and contrast, before any network sees it.

    Raises
    ------
    RadiographTooSmall, RadiographTooFlat
        When no verdict on it could mean anything.
    """
    short, long = sorted((radiograph.width, radiograph.height))
    size = phrase(f"{radiograph.width} x {radiograph.height} pixels")
    if short < MIN_SIDE_PIXELS:
        raise RadiographTooSmall(
            f"The image is {size}; at least {MIN_SIDE_PIXELS} on the shorter side are needed. "
            "Upload the film itself, not a thumbnail."
        )
    contrast = _contrast(radiograph)
    if contrast < MIN_CONTRAST:
        raise RadiographTooFlat(
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


def check_segmentation(
    segmentation: "LungSegmentation",
    expected: Expected,
    population: Population | None = None,
    turns: int = 0,
) -> tuple[tuple[str, ...], float]:
    """Warnings on what the lung network sees, and how far the film is from chest films.

    The film is not inverted; the distance is 1 where it would be refused.

    Parameters
    ----------
    segmentation
        Of the film as it is turned upright.
    turns
        Quarter turns anticlockwise by which it lies.

    Raises
    ------
    NotAChestRadiograph, RadiographTurned, RadiographCutOff
        When no verdict on it could mean anything.
    """
    lungs, limits = anatomy.measure(segmentation.lungs), expected.limits
    distance = expected.outlier_model.distance(segmentation.features)
    relative = distance / limits.far
    OUTLIER_DISTANCES.observe(relative)
    # What still seems to lie turned when it is turned upright has no way up: it is no chest film.
    is_chest = distance <= limits.far and (not turns or find_turns(segmentation) == 0)
    if not turns:
        _check_edges(lungs, limits)
    if not is_chest:
        raise NotAChestRadiograph(
            f"The picture does not look like a frontal chest X-ray. {_UPLOAD}"
        )
    if turns:
        _check_shape(lungs, limits)
        raise RadiographTurned(f"The film lies {_LIES[turns]} and upload it again.", 90 * turns)
    if lungs.count == 1 or (lungs.count == 2 and lungs.evenness < limits.min_evenness):
        raise RadiographCutOff(
            f"Only one whole lung can be made out: the other is cut off, or hidden. {_WHOLE}"
        )
    _check_shape(lungs, limits)
    return _doubts(segmentation, lungs, distance, limits, population), relative


def _check_shape(lungs: LungPair, limits: GateLimits) -> None:
    if (
        lungs.certainty < limits.min_certainty
        or lungs.side_by_side < limits.min_side_by_side
        or lungs.solidity < limits.min_solidity
        or lungs.evenness < limits.min_evenness
    ):
        raise NotAChestRadiograph(
            f"Two lungs side by side cannot be made out in the picture. {_UPLOAD}"
        )


def _check_edges(lungs: LungPair, limits: GateLimits) -> None:
    if lungs.certainty < limits.sure:
        return
    for edge, share in lungs.touching.items():
        if share > limits.cut_off[edge]:
            length = phrase("height") if edge in ("left", "right") else phrase("width")
            raise RadiographCutOff(
                f"The {edge} edge of the film runs through the lungs, over {share:.0%} of their "
                f"{length}: a part of them is missing. {_WHOLE}"
            )


def _doubts(
    segmentation: "LungSegmentation",
    lungs: LungPair,
    distance: float,
    limits: GateLimits,
    population: Population | None,
) -> tuple[str, ...]:
    doubts = [
        f"The lungs reach the {edge} edge of the film: a part of them may be missing."
        for edge, share in lungs.touching.items()
        if share > limits.tight[edge]
    ]
    if segmentation.turned[0] < limits.upright:
        doubts.append("It is not certain that the film lies upright.")
    if distance > limits.unlike:
        known = f" ({population.text})" if population is not None and population.text else ""
        doubts.append(
            f"The film looks unlike those that the model learnt from{known}: of another kind of "
            "patient, or from other equipment. The answer is worth less."
        )
    return tuple(doubts)


def _contrast(radiograph: Radiograph) -> float:
    """Difference of the 99.5th and 0.5th percentile, in [0, 1], on a grid over the film."""
    pixels = radiograph.pixels
    step_y, step_x = (max(1, n // _SAMPLE) for n in pixels.shape)
    low, high = np.percentile(pixels[::step_y, ::step_x], (0.5, 99.5))
    return float(high - low)
