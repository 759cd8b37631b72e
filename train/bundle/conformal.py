"""Conformal triage: which scores get an answer, at an error rate that holds for either class."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

ERROR_RATE: Final = 0.05  # of either class


def find_bounds(
    labels: NDArray[np.bool_],
    scores: NDArray[np.float64],
    perturbed: NDArray[np.float64],
    sources: NDArray[np.str_],
) -> tuple[float, float]:
    """Scores below which a film may be called normal, and above which pneumonia.

    Class-conditional conformal prediction: of pneumonias like these at most 5 % score below the
    first, of normals like these at most 5 % above the second, whatever the scores' distribution.
    It holds on every source that has 19 films of the class or more, on all films together, and on
    all perturbed ones together: the most cautious of these counts.

    Parameters
    ----------
    scores, perturbed
        (n,) and (k, n).

    Source: Angelopoulos et al. 2024, "Conformal Triage for Medical Imaging AI Deployment"; Vovk
    2012, "Conditional validity of inductive conformal predictors".
    """
    normal_below: list[float] = []
    pneumonia_above: list[float] = []
    for truth, bounds in ((True, normal_below), (False, pneumonia_above)):
        own, sign = labels == truth, 1 if truth else -1
        groups = [scores[own & (sources == name)] for name in np.unique(sources[own])]
        groups = [scores[own], perturbed[:, own].ravel(), *groups]
        for group in groups:
            rank = int(ERROR_RATE * (len(group) + 1))
            if rank or group is groups[0]:  # of too few films, the outermost
                bounds.append(sign * np.sort(sign * group)[max(rank, 1) - 1])
    return float(min(normal_below)), float(max(pneumonia_above))
