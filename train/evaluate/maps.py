"""Activation maps of an evaluation: where each is hot, gathered image by image, then summed up."""

from dataclasses import dataclass, field, fields
from math import nan

import numpy as np

from pneumonia.analysis.finding import ActivationMap
from pneumonia.errors import DataError
from pneumonia.imaging.lungs import Lungs
from train.data.manifest import Row
from train.estimates import Estimate
from train.evaluate import heat
from train.evaluate.heat import Pointing
from train.evaluate.predictions import Predictions
from train.evaluate.scoring import Batch


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


@dataclass(frozen=True, slots=True)
class Boxes:
    """The maps of n radiographs against a radiologist's boxes; see :class:`Pointing`."""

    n: int
    hit: Estimate
    iou: Estimate
    share_of_radiograph: Estimate
    share_of_lungs: Estimate
    lungs_iou: Estimate

    @classmethod
    def of(cls, predictions: Predictions, pointing: dict[int, Pointing]) -> "Boxes | None":
        """None where no radiograph has a box."""
        if not pointing:
            return None
        places = np.array(list(pointing))

        def mean(name: str) -> Estimate:
            values = np.full(len(predictions.files), nan)
            values[places] = [getattr(one, name) for one in pointing.values()]
            return predictions.estimate_mean(values, ~np.isnan(values))

        n, (hit, *others) = len(pointing), (field.name for field in fields(Pointing))
        return cls(n, mean(hit).as_share(n), *(mean(name) for name in others))


@dataclass(frozen=True, slots=True)
class HeatReport:
    """Where the maps are hot: in the lungs, and in boxes where the data has them.

    Attributes
    ----------
    heat_in_lungs, n
        Mean share of the positive heat that lies in the lungs, over the n pneumonias that are
        called pneumonia.
    heat_in_lungs_of_all_pneumonias, n_of_all_pneumonias
        The same over all pneumonias that have positive heat.
    lungs_share_of_film
        Mean share of the image that the lungs are: what heat spread evenly would give.
    """

    lungs_drawn_by_a_person: int
    lungs_known: int
    heat_in_lungs: Estimate
    n: int
    heat_in_lungs_of_all_pneumonias: Estimate
    n_of_all_pneumonias: int
    pneumonias_without_heat: int
    lungs_share_of_film: Estimate
    boxes: Boxes | None

    @classmethod
    def of(cls, predictions: Predictions, probe: HeatProbe) -> "HeatReport":
        inside, lungs = np.array(probe.in_lungs), np.array(probe.lungs)
        has_map, known = ~np.isnan(inside), ~np.isnan(lungs)
        pneumonia = predictions.truth
        called = pneumonia & (predictions.predicted == 1)
        return cls(
            lungs_drawn_by_a_person=probe.drawn,
            lungs_known=int(np.sum(known)),
            heat_in_lungs=predictions.estimate_mean(inside, called & has_map),
            n=int(np.sum(called & has_map)),
            heat_in_lungs_of_all_pneumonias=predictions.estimate_mean(inside, pneumonia & has_map),
            n_of_all_pneumonias=int(np.sum(pneumonia & has_map)),
            pneumonias_without_heat=int(np.sum(pneumonia & known & ~has_map)),
            lungs_share_of_film=predictions.estimate_mean(lungs, pneumonia & known),
            boxes=Boxes.of(predictions, probe.pointing),
        )
