"""Predictions of a model on a set of radiographs, beside what they show. No torch."""

import shlex
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import DEFAULT_OPERATING_POINT, ModelRef, OperatingPoint
from pneumonia.errors import DomainError
from train.data.manifest import Manifest, Row
from train.estimates import Estimate, estimate, estimate_mean
from train.metrics import Confusion, Statistics, confusion

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """Which films were measured.

    Attributes
    ----------
    folder
        Name of the data folder, without the path to it: reports are shared.
    split
        As given to :func:`train.data.splits.select_rows`.
    digest
        ``Manifest.digest()`` of the folder.
    population
        By whose calibration they were read; empty where the model has one for all.
    """

    folder: str
    split: str
    digest: str
    population: str = ""

    @classmethod
    def of(cls, manifest: Manifest, split: str, population: str = "") -> Self:
        """Reads every file of the folder once, for the digest."""
        return cls(manifest.root.resolve().name, split, manifest.digest(), population)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A film that was not scored, or that the gate would refuse: its error's code and text."""

    file: str
    code: str
    reason: str

    @classmethod
    def of(cls, row: Row, error: DomainError) -> Self:
        return cls(row.file, error.code, error.detail)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Predictions:
    """Predictions of one model on n radiographs.

    Attributes
    ----------
    files, patients
        n names, as in the manifest. Films without a patient count as a patient each.
    labels
        int64 (n,), the truth: 1 = pneumonia.
    probabilities
        float64 (n,), calibrated probability of pneumonia, in [0, 1].
    logits
        float64 (n,), of pneumonia, before calibration.
    indeterminate
        bool (n,): the film falls in the band that the app calls neither. The rates do not leave
        these films out: for them the threshold alone decides.
    operating_point
        The one that decides.
    viral
        float64 (n,), probability that a pneumonia is viral, in [0, 1]; None for a model of two
        classes.
    etiology_calibrated
        Whether ``viral`` is calibrated, so that the app shows it. Otherwise it is the network's
        own, of a model whose two causes could not be calibrated apart.
    etiologies
        n words, as in the manifest: normal, bacterial, viral, or empty where it is not known. May
        be left out.
    sources, populations
        n words, as in the manifest: the place each is from, and whose it is; empty where it is not
        known. May be left out.
    operating_points
        All that the card has, by name. May be left out.
    refused
        Films that could not be decoded; they are not among the n.
    refused_by_gate
        Films among the n that the app would have refused to read.
    """

    files: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: Floats
    logits: Floats
    indeterminate: Bools
    operating_point: OperatingPoint
    model: ModelRef
    viral: Floats | None = None
    etiology_calibrated: bool = True
    etiologies: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    populations: tuple[str, ...] = ()
    operating_points: dict[str, OperatingPoint] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    refused_by_gate: tuple[Refusal, ...] = ()
    source: Source | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64 (n,): 1 where the probability is at or above the operating point's threshold."""
        return (self.probabilities >= self.operating_point.threshold).astype(np.int64)

    @property
    def points(self) -> dict[str, OperatingPoint]:
        """All operating points by name, the one that decides among them."""
        return self.operating_points or {self.operating_point.name: self.operating_point}

    @property
    def truth(self) -> Bools:
        """bool (n,): the film shows pneumonia."""
        return self.labels.astype(np.bool_)

    @property
    def class_probabilities(self) -> Floats | None:
        """float64 (n, 3): of normal, bacterial and viral; None for a model of two classes."""
        if self.viral is None:
            return None
        p = self.probabilities
        return np.column_stack([1 - p, p * (1 - self.viral), p * self.viral])

    @property
    def counts(self) -> Confusion:
        return confusion(self.labels, self.probabilities, self.operating_point.threshold)

    def command(self, *, quick: bool) -> str | None:
        """The command line that gives these figures again; None without a source."""
        if self.source is None:
            return None
        words = ["flask", "evaluate", "--data", self.source.folder]
        words += ["--split", self.source.split, "--model", self.model.id]
        words += ["--population", self.source.population] if self.source.population else []
        if self.operating_point.name != DEFAULT_OPERATING_POINT in self.points:
            words += ["--operating-point", self.operating_point.name]
        words += ["--on-bad-image", "skip"] if self.refused else []
        return shlex.join(words + ["--quick"] * quick)

    def estimate(
        self,
        statistics: Statistics,
        chosen: Bools | None = None,
        scores: Floats | None = None,
    ) -> list[Estimate]:
        """Several figures of the same radiographs; see :func:`train.estimates.estimate`.

        Parameters
        ----------
        statistics
            ``statistics(truth, scores) -> float64 (k,)``.
        chosen
            bool (n,): which of the radiographs; all unless given.
        scores
            float64 (n,), the probabilities unless given; nan only where ``chosen`` is False.
        """
        which = np.ones(len(self.files), np.bool_) if chosen is None else chosen
        values = self.probabilities if scores is None else scores
        patients = np.array(self.patients)[which]
        return estimate(statistics, self.truth[which], values[which], patients)

    def estimate_mean(self, values: Floats, chosen: Bools) -> Estimate:
        """The mean of n values over the chosen radiographs, none of them nan."""
        return estimate_mean(values[chosen], np.array(self.patients)[chosen])
