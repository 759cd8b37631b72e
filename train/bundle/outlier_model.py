"""Fits what chest films look like to the lung network, for the gate: on chest films alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.lung_segmenter import LungSegmenter
from pneumonia.analysis.outlier_model import OutlierModel
from train.data.augment import augment
from train.recipes.sections import Augmentation

RADIOGRAPHS = 2400  # six for each of the 416 features; more hardly move the axes
AXES = 64  # chosen on places left out of the fit: docs/adr/0011-gate.md
_FEATURES_PER_AXIS = 4  # at least: of few films every direction would be one of theirs
USUAL_PERCENTILE = 99.0
# What another exposure, crop or file may do to a film without making it anything but a chest.
MILD = Augmentation(
    rotation_degrees=8, scale=0.15, aspect=0.2, shift=0.05,
    contrast=0.3, brightness=0.1, gamma=0.3, blur=0.3, noise=0.3, jpeg=0.3,
)  # fmt: skip
_TOGETHER = 32  # films through the network at once


def fit(
    segmenter: LungSegmenter,
    squares: NDArray[np.float32],
    sources: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Describe the features of chest films, each once as it is and once mildly changed.

    Parameters
    ----------
    squares
        float32 (n, S, S) in [0, 1], n at least 2: upright training films on the square grid; of
        more than ``RADIOGRAPHS``, as many of each source as there are, evenly spaced.
    sources
        (n,): the place each film is from; may be left out.

    Returns
    -------
    For ``lungs.json``, below 100 kB: the fields of :class:`OutlierModel`, and how it was fitted.
    """
    chosen = _spread(np.array(sources or [""] * len(squares)), RADIOGRAPHS)
    features = []
    for start in range(0, len(chosen), _TOGETHER):
        radiographs = []
        for index in chosen[start : start + _TOGETHER]:
            radiograph = np.array(squares[index])
            changed, _ = augment(radiograph, radiograph, MILD, np.random.default_rng((seed, index)))
            radiographs += [radiograph, changed]
        features += [segmentation.features for segmentation in segmenter.segment(radiographs)]
    return describe(np.stack(features)) | {"films": len(chosen)}


def _spread(sources: NDArray[np.str_], most: int) -> NDArray[np.int64]:
    """Indices of at most so many films, rising: of small sources all, of the others alike many."""
    groups = [np.flatnonzero(sources == name) for name in np.unique(sources)]
    taken: list[NDArray[np.int64]] = []
    for left, group in enumerate(sorted(groups, key=len)):
        share = (most - sum(map(len, taken))) // (len(groups) - left)
        even = np.linspace(0, len(group) - 1, min(share, len(group))).round().astype(np.int64)
        taken.append(group[even])
    return np.sort(np.concatenate(taken))


def describe(features: NDArray[np.float32], axes: int = AXES) -> dict[str, Any]:
    """Mean, main axes and usual distance of (n, F) features, rounded as they are stored."""
    mean, axes = features.mean(axis=0), min(axes, len(features) // _FEATURES_PER_AXIS)
    _, _, directions = np.linalg.svd(features - mean, full_matrices=False)
    found = OutlierModel(mean, directions[:axes])
    stored = OutlierModel.from_dict(found.as_dict())
    distances = [stored.distance(row) for row in features]
    usual = float(np.percentile(distances, USUAL_PERCENTILE))
    return OutlierModel(mean, directions[:axes], round(max(usual, 1e-3), 4)).as_dict()
