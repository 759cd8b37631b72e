"""Films that a network did not learn from, and what it says of them: all that calibration sees."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.errors import DataError
from train.data.manifest import Row

COLUMNS = ("file", "label", "logit", "patient", "source", "population")


@dataclass(frozen=True, eq=False, slots=True)
class HeldOut:
    """n films with their truth and the raw logits of networks that never saw them.

    Attributes
    ----------
    labels
        bool (n,), True = pneumonia.
    logits
        float64 (n,), of pneumonia.
    patients, sources, populations
        n words each, as in the manifest.
    perturbed
        float64 (k, n): logits of the same films after k perturbations; k may be 0.
    """

    labels: NDArray[np.bool_]
    logits: NDArray[np.float64]
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    populations: NDArray[np.str_]
    perturbed: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        logits: NDArray[np.float64],
        perturbed: NDArray[np.float64] | None = None,
    ) -> Self:
        return cls(
            np.array([row.label == "PNEUMONIA" for row in rows]),
            logits,
            np.array([row.patient for row in rows]),
            np.array([row.source for row in rows]),
            np.array([row.population for row in rows]),
            np.empty((0, len(rows))) if perturbed is None else perturbed,
        )

    @property
    def has_both_classes(self) -> bool:
        return bool(self.labels.any() and not self.labels.all())

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64 (n,): in each class every population, and in it every source, counts alike.

        The classes keep their shares; of one source, every film has the weight 1.
        """
        weights = np.zeros(len(self.labels))
        for truth in (True, False):
            own = self.labels == truth
            populations = np.unique(self.populations[own])
            for population in populations:
                among = own & (self.populations == population)
                sources = np.unique(self.sources[among])
                for source in sources:
                    films = among & (self.sources == source)
                    weights[films] = own.sum() / len(populations) / len(sources) / films.sum()
        return weights

    def of_population(self, name: str) -> Self:
        return self.where(self.populations == name)

    def where(self, own: NDArray[np.bool_]) -> Self:
        """Those of the films that are chosen, by a bool (n,)."""
        return type(self)(
            self.labels[own], self.logits[own], self.patients[own], self.sources[own],
            self.populations[own], self.perturbed[:, own],
        )  # fmt: skip


def read(paths: Sequence[Path]) -> HeldOut:
    """The films of several ``predictions.csv`` of ``flask evaluate``.

    A film that several files have counts once, with the logit of the last: give predictions by
    networks that were trained without a source after those by one that saw it.

    Raises
    ------
    DataError
        For a file that cannot be read or lacks a column.
    """
    rows: dict[str, dict[str, str]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if absent := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
                    raise DataError(
                        f"{path} lacks the column {absent[0]}. Give the predictions.csv that "
                        "flask evaluate writes."
                    )
                rows |= {row["file"]: row for row in reader}
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    found = list(rows.values())
    patients, sources, populations = (
        np.array([row[name] for row in found]) for name in ("patient", "source", "population")
    )
    return HeldOut(
        np.array([row["label"] == "pneumonia" for row in found]),
        np.array([float(row["logit"]) for row in found]),
        patients,
        sources,
        populations,
        np.empty((0, len(found))),
    )
