"""Can this film be read at all? Refusals are errors; doubts become warnings beside the verdict."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis import anatomy
from pneumonia.analysis import outlier_model as outliers
from pneumonia.analysis.anatomy import Edge, LungPair
from pneumonia.analysis.finding import Quality
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

if TYPE_CHECKING:  # it comes from torch's side of the house
    from pneumonia.analysis.lung_segmenter import LungSegmentation

INVERTED_NOTICE = (
    "The film came as a negative, bright and dark exchanged; it was turned right before reading."
)
UNLIKE_NOTICE = (
    "The film looks unlike those of children that the model learnt from: an adult's, or from other "
    "equipment. The answer is worth less."
)
MIN_SIDE_PIXELS = 64
LOW_SIDE_PIXELS = 224  # the network's input: below it, detail is made up by enlargement
MIN_CONTRAST = 0.03  # of the full range, between the 0.5th and 99.5th percentile
LOW_CONTRAST = 0.15
MAX_ASPECT = 2.2  # long side over short side; the public films reach 2.1
_SAMPLE = 256  # about this many pixels a side are enough to judge contrast

# Distances from chest films, 1 being far for a training film (see OutlierModel). Children's films
# held out reach 1.12; of adults' films 2 in 100 lie beyond 1.38; docs/adr/0011-gate.md has
# the figures.
FAR = 1.5
UNLIKE = 1.2
# Outlined lungs: what no chest film came near, children's or adults'.
MIN_CERTAINTY = 0.85  # the least seen is 0.88
MIN_SIDE_BY_SIDE = 0.6  # 0.84
MIN_SOLIDITY = 0.75  # 0.84
MIN_EVENNESS = 0.45  # 0.59
SURE = 0.9  # certainty from which an edge that the outline touches is an edge through a lung
# How much of the lungs' height (left, right) or width (top, bottom) may lie on the film's edge.
# Many whole films end close to the tips or the bases; hardly any at the sides.
CUT_OFF: dict[Edge, float] = {"left": 0.3, "right": 0.3, "top": 0.65, "bottom": 0.5}
TIGHT: dict[Edge, float] = {"left": 0.05, "right": 0.05, "top": 0.2, "bottom": 0.15}
UPRIGHT = 0.9  # probability below which it is said that the film may lie turned

_UPLOAD = "Upload the frontal film (PA or AP) itself, whole and with nothing beside it."
_WHOLE = "Export the whole film, with both lungs and some margin, and upload it again."
_LIES = {
    1: "turned by 90 degrees anticlockwise. Turn it 90 degrees clockwise",
    2: "upside down. Turn it by 180 degrees",
    3: "turned by 90 degrees clockwise. Turn it 90 degrees anticlockwise",
}


@dataclass(frozen=True, eq=False, slots=True)
class Examined:
    """A film as the gate leaves it.

    Attributes
    ----------
    radiograph
        Turned right if it was inverted.
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
    outlier_model: dict[str, Any] | None = None,
    *,
    inverted: bool = False,
) -> tuple[Quality, UnreadableRadiograph | None]:
    """The gate's word on a film: warnings, and a refusal if no verdict on it could mean anything.

    Parameters
    ----------
    segmentation
        What the lung network sees; without it size and contrast alone are judged.
    outlier_model
        What a chest film's features are like, from the lung network's card.
    inverted
        The film came with bright and dark exchanged and has been turned right.
    """
    try:
        quality = check(radiograph)
        doubts = check_segmentation(segmentation, outlier_model) if segmentation is not None else ()
    except UnreadableRadiograph as error:
        return Quality(False, radiograph.warnings, inverted), error
    notes = (INVERTED_NOTICE,) if inverted else ()
    return replace(quality, warnings=quality.warnings + notes + doubts, inverted=inverted), None


def is_inverted(segmentation: "LungSegmentation") -> bool:
    return segmentation.inverted > 0.5


def check(radiograph: Radiograph) -> Quality:
    """Judge a film's size and contrast, before any network sees it.

    Raises
    ------
    RadiographTooSmall, RadiographTooFlat
        When no verdict on it could mean anything.
    """
    short, long = sorted((radiograph.width, radiograph.height))
    size = f"{radiograph.width} x {radiograph.height} pixels"
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
    segmentation: "LungSegmentation", outlier_model: dict[str, Any] | None
) -> tuple[str, ...]:
    """Judge what the lung network sees, of a film that is not inverted. Returns warnings.

    Raises
    ------
    NotAChestRadiograph, RadiographTurned, RadiographCutOff
        When no verdict on it could mean anything.
    """
    turns = int(segmentation.turned.argmax())
    lungs = anatomy.measure(segmentation.lungs, turns)
    if turns:
        # Features are described for upright films only; of a turned one the outlines must tell.
        _check_shape(lungs)
        raise RadiographTurned(f"The film lies {_LIES[turns]} and upload it again.")
    distance = (
        outliers.distance(outlier_model, segmentation.features)
        if outlier_model is not None
        else 0.0
    )
    _check_edges(lungs)
    if distance > FAR:
        raise NotAChestRadiograph(
            f"The picture does not look like a frontal chest X-ray. {_UPLOAD}"
        )
    if lungs.count == 1 or (lungs.count == 2 and lungs.evenness < MIN_EVENNESS):
        raise RadiographCutOff(
            f"Only one whole lung can be made out: the other is cut off, or hidden. {_WHOLE}"
        )
    _check_shape(lungs)
    return _doubts(segmentation, lungs, distance)


def _check_shape(lungs: LungPair) -> None:
    if (
        lungs.certainty < MIN_CERTAINTY
        or lungs.side_by_side < MIN_SIDE_BY_SIDE
        or lungs.solidity < MIN_SOLIDITY
        or lungs.evenness < MIN_EVENNESS
    ):
        raise NotAChestRadiograph(
            f"Two lungs side by side cannot be made out in the picture. {_UPLOAD}"
        )


def _check_edges(lungs: LungPair) -> None:
    if lungs.certainty < SURE:
        return
    for edge, share in lungs.touching.items():
        if share > CUT_OFF[edge]:
            length = "height" if edge in ("left", "right") else "width"
            raise RadiographCutOff(
                f"The {edge} edge of the film runs through the lungs, over {share:.0%} of their "
                f"{length}: a part of them is missing. {_WHOLE}"
            )


def _doubts(segmentation: "LungSegmentation", lungs: LungPair, distance: float) -> tuple[str, ...]:
    doubts = [
        f"The lungs reach the {edge} edge of the film: a part of them may be missing."
        for edge, share in lungs.touching.items()
        if share > TIGHT[edge]
    ]
    if segmentation.turned[0] < UPRIGHT:
        doubts.append("It is not certain that the film lies upright.")
    if distance > UNLIKE:
        doubts.append(UNLIKE_NOTICE)
    return tuple(doubts)


def _contrast(radiograph: Radiograph) -> float:
    """Difference of the 99.5th and 0.5th percentile, in [0, 1], on a grid over the film."""
    pixels = radiograph.pixels
    step_y, step_x = (max(1, n // _SAMPLE) for n in pixels.shape)
    low, high = np.percentile(pixels[::step_y, ::step_x], (0.5, 99.5))
    return float(high - low)
