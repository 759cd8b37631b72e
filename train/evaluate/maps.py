"""Where the maps of an evaluation's films are hot: gathered film by film, then summed up."""

from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from pneumonia.analysis.finding import ActivationMap
from pneumonia.errors import DataError
from pneumonia.imaging.lungs import Lungs
from train.data.manifest import Row
from train.evaluate import heat
from train.evaluate.evaluate import Batch
from train.evaluate.evaluation import Evaluation
from train.evaluate.heat import Pointing
from train.evaluate.rates import as_share, measure_mean


@dataclass(eq=False, slots=True)
class HeatProbe:
    """Where each film's map is hot.

    Attributes
    ----------
    in_lungs
        Share of the positive heat that is in the lungs, one number in [0, 1] per film; nan where
        there is none, or the lungs are not known.
    lungs
        Share of the film that the lungs are, one per film; nan where they are not known.
    drawn
        On how many films the lungs are those a person drew.
    pointing
        For the films that have boxes: at which place they stand among the films, and what was
        found.
    """

    in_lungs: list[float] = field(default_factory=list)
    lungs: list[float] = field(default_factory=list)
    drawn: int = 0
    pointing: dict[int, Pointing] = field(default_factory=dict)

    def __call__(self, batch: Batch) -> None:
        for row, finding, lungs in zip(batch.rows, batch.findings, batch.lungs, strict=True):
            if row.boxes:
                self.pointing[len(self.in_lungs)] = _point(row, finding.activation, lungs)
            known = lungs is not None and lungs.box is not None
            self.in_lungs.append(
                heat.share_in_lungs(finding.activation, lungs) if lungs and known else nan
            )
            self.lungs.append(float(lungs.mask.mean()) if lungs and known else nan)
            self.drawn += row.mask is not None


def _point(row: Row, activation: ActivationMap, lungs: Lungs | None) -> Pointing:
    try:
        return heat.point_at(activation, row.boxes, lungs)
    except ValueError as error:
        raise DataError(
            f"{row.file}: {error}. The manifest's boxes are in pixels of the film as it lies in "
            "the folder; correct them or take them out."
        ) from error


def locate(evaluation: Evaluation, probe: HeatProbe) -> dict[str, Any]:
    """Where the maps are hot: in the lungs, and in boxes where the data has them."""
    inside, lungs = np.array(probe.in_lungs), np.array(probe.lungs)
    has_map = ~np.isnan(inside)
    called = evaluation.truth & (evaluation.predicted == 1)
    pneumonia = evaluation.truth
    return {
        "lungs_drawn_by_a_person": probe.drawn,
        "lungs_known": int(np.sum(~np.isnan(lungs))),
        "heat_in_lungs": measure_mean(evaluation, inside, called & has_map),
        "n": int(np.sum(called & has_map)),
        "heat_in_lungs_of_all_pneumonias": measure_mean(evaluation, inside, pneumonia & has_map),
        "n_of_all_pneumonias": int(np.sum(pneumonia & has_map)),
        "pneumonias_without_heat": int(np.sum(pneumonia & ~np.isnan(lungs) & ~has_map)),
        "lungs_share_of_film": measure_mean(evaluation, lungs, pneumonia & ~np.isnan(lungs)),
        "boxes": _of_boxes(evaluation, probe) if probe.pointing else None,
    }


def _of_boxes(evaluation: Evaluation, probe: HeatProbe) -> dict[str, Any]:
    boxed = np.zeros(len(evaluation.files), np.bool_)
    boxed[list(probe.pointing)] = True
    columns = {}
    for name in ("hit", "iou", "share_of_radiograph", "share_of_lungs", "lungs_iou"):
        values = np.full(len(boxed), nan)
        for at, pointing in probe.pointing.items():
            values[at] = getattr(pointing, name)
        columns[name] = measure_mean(evaluation, values, boxed & ~np.isnan(values))
    columns["hit"] = as_share(columns["hit"], len(probe.pointing))
    return {"n": len(probe.pointing), **columns}
