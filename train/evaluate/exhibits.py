"""Exhibits of a report: a radiograph, and the same with its map and the lungs' outline."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import Finding
from pneumonia.imaging import display, overlay
from pneumonia.imaging.radiograph import Radiograph
from train.data.manifest import Row
from train.evaluate import heat
from train.evaluate.report import Scored
from train.evaluate.scoring import Reader, read_radiograph

_SIDE: Final = 448  # pixels of the longer side
_OPACITY: Final = 0.6
_OUTLINE: Final = (111, 195, 223)  # light blue: a colour the map has not
_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One radiograph of a report.

    Attributes
    ----------
    radiograph, painted
        Pictures as ``data:`` addresses (JPEG).
    refusal
        Why the gate would refuse it; empty where it would not.
    """

    scored: Scored
    radiograph: str
    painted: str
    refusal: str = ""


def make(predictor: Reader, rows: Mapping[str, Row], chosen: Sequence[Scored]) -> list[Exhibit]:
    """Exhibits of some radiographs, read once more; ``rows`` by file name."""
    exhibits = []
    for one in chosen:  # one by one: they may be large
        examined = predictor.examine([read_radiograph(rows[one.file])])
        (finding,) = predictor.read(examined)
        radiograph, painted = paint(examined[0].radiograph, finding)
        refusal = examined[0].refusal
        exhibits.append(
            Exhibit(
                one,
                radiograph=_data_uri(radiograph),
                painted=_data_uri(painted),
                refusal=refusal.detail if refusal else "",
            )
        )
    return exhibits


def paint(radiograph: Radiograph, finding: Finding) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The film, uint8 (h, w), and with map and outline, uint8 RGB (h, w, 3); 448 at the longer."""
    scale = _SIDE / max(radiograph.width, radiograph.height)
    width, height = (max(1, round(side * scale)) for side in (radiograph.width, radiograph.height))
    shown = display.to_display(radiograph.pixels)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    grey = np.asarray(cv2.resize(shown, (width, height), interpolation=how), np.uint8)
    activation = finding.activation
    painted = overlay.render(
        grey,
        activation.values,
        activation.full_scale,
        heat.resized(activation.geometry, width, height),
        _OPACITY,
    )
    shift = 4  # sub-pixel bits
    for polygon in finding.outline:
        points = (np.array(polygon) * (width, height) - 0.5) * 2**shift
        fixed = np.rint(points).astype(np.int32)[:, None]
        cv2.polylines(painted, [fixed], True, _OUTLINE, 2, cv2.LINE_AA, shift)
    return grey, painted


def _data_uri(picture: NDArray[np.uint8]) -> str:
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _is_encoded, data = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
