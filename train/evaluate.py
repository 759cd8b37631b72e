"""Measure a model on labelled films, with the very predictor that serves.

Nothing is chosen here: the operating point, the temperature and the preprocessing are the bundle's,
and every film is scored once.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis import gate
from pneumonia.analysis.finding import Label, ModelRef, OperatingPoint
from pneumonia.errors import DamagedImage, DataError, DomainError, ImageError, UnreadableFilm
from pneumonia.imaging import Radiograph, decode
from train.manifest import Manifest, Row
from train.metrics import (
    Confusion,
    Statistic,
    auroc,
    bootstrap,
    brier,
    confusion,
    expected_calibration_error,
    wilson,
)

if TYPE_CHECKING:  # the reports and their tests need no torch
    from pneumonia.analysis.predictor import Predictor

OnBadImage = Literal["skip", "stop"]


@dataclass(frozen=True, slots=True)
class Source:
    """Which films were measured.

    Attributes
    ----------
    folder
        Name of the data folder, without the path to it: reports are shared.
    split
        As given to :func:`train.splits.select_rows`.
    digest
        ``Manifest.digest()`` of the folder.
    """

    folder: str
    split: str
    digest: str

    @classmethod
    def of(cls, manifest: Manifest, split: str) -> Self:
        """Reads every file of the folder once, for the digest."""
        return cls(manifest.root.resolve().name, split, manifest.digest())


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
class Evaluation:
    """What a model said of n films.

    Attributes
    ----------
    files, patients
        n names, as in the manifest. Films without a patient count as a patient each.
    labels
        int64 (n,), the truth: 1 = pneumonia.
    probabilities
        float64 (n,), calibrated probability of pneumonia, in [0, 1].
    indeterminate
        bool (n,): the film falls in the band that the app calls neither. The rates do not leave
        these films out: for them the threshold alone decides.
    refused
        Films that could not be decoded; they are not among the n.
    refused_by_gate
        Films among the n that the app would have refused to read.
    """

    files: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    indeterminate: NDArray[np.bool_]
    operating_point: OperatingPoint
    model: ModelRef
    refused: tuple[Refusal, ...] = ()
    refused_by_gate: tuple[Refusal, ...] = ()
    source: Source | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64 (n,): 1 where the probability is at or above the operating point's threshold."""
        return (self.probabilities >= self.operating_point.threshold).astype(np.int64)

    @property
    def counts(self) -> Confusion:
        return confusion(self.labels, self.probabilities, self.operating_point.threshold)

    @property
    def command(self) -> str | None:
        """The command line that gives these figures again; None without a source."""
        if self.source is None:
            return None
        words = ["flask", "evaluate", "--data", self.source.folder]
        words += ["--split", self.source.split, "--model", self.model.id]
        words += ["--on-bad-image", "skip"] if self.refused else []
        return shlex.join(words)

    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``; what cannot be computed is None.

        Rates are ``{"value": v, "ci95": [lo, hi]}``: proportions of films with Wilson's interval,
        the others with a percentile bootstrap over patients (1000 rounds, seed 0). A resample has
        noisier bins than the films themselves, so the interval of the ECE leans upwards.
        """
        c = self.counts
        return {
            "n": c.n,
            "accuracy": _proportion(c.tn + c.tp, c.n),
            "sensitivity": _proportion(c.tp, c.tp + c.fn),
            "specificity": _proportion(c.tn, c.tn + c.fp),
            "precision": _proportion(c.tp, c.tp + c.fp),
            "f1": self._bootstrapped(self._f1),
            "auc": self._bootstrapped(auroc),
            "brier": self._bootstrapped(brier),
            "ece": self._bootstrapped(expected_calibration_error),
            "confusion": [[c.tn, c.fp], [c.fn, c.tp]],
            "operating_point": {
                "name": self.operating_point.name,
                "threshold": self.operating_point.threshold,
            },
            "model": {"id": self.model.id, "sha256": self.model.sha256},
            "data": _fields(self.source) if self.source else None,
            "patients": len(set(self.patients)),
            "indeterminate": int(np.sum(self.indeterminate)),
            "refused": [_fields(r) for r in self.refused],
            "refused_by_gate": [_fields(r) for r in self.refused_by_gate],
            "command": self.command,
        }

    def _f1(self, labels: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
        return confusion(labels, probabilities, self.operating_point.threshold).f1

    def _bootstrapped(self, statistic: Statistic) -> dict[str, Any]:
        truth = self.labels.astype(bool)
        interval = bootstrap(statistic, truth, self.probabilities, groups=np.asarray(self.patients))
        return _rate(statistic(truth, self.probabilities), interval)


def evaluate(
    predictor: "Predictor",
    rows: Sequence[Row],
    *,
    batch_size: int = 32,
    on_bad_image: OnBadImage = "stop",
    progress: Callable[[int, int], None] | None = None,
    source: Source | None = None,
) -> Evaluation:
    """Score every film once.

    The gate is only counted beside: a film that it would refuse is scored like the others, so that
    nobody improves the figures by refusing more.

    Parameters
    ----------
    rows
        Films with their labels, as :func:`select_rows` gives them.
    on_bad_image
        What a file that cannot be decoded does: ``"stop"`` raises, ``"skip"`` lists it in
        ``Evaluation.refused``.
    progress
        Called as ``progress(done, total)`` after each batch, in films.

    Raises
    ------
    DataError
        For a broken image under ``"stop"``, or where no film is left to score.
    """
    scored: list[Row] = []
    probabilities: list[float] = []
    indeterminate: list[bool] = []
    refused: list[Refusal] = []
    refused_by_gate: list[Refusal] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        readable = list(_decoded(batch, on_bad_image, refused))
        refused_by_gate.extend(r for row, film in readable if (r := _gate_refusal(row, film)))
        findings = predictor.predict([film for _, film in readable]) if readable else []
        scored.extend(row for row, _ in readable)
        probabilities.extend(f.probability for f in findings)
        indeterminate.extend(f.label is Label.INDETERMINATE for f in findings)
        if progress is not None:
            progress(start + len(batch), len(rows))
    if not scored:
        raise DataError(
            f"None of the {len(rows)} films could be scored. Check that the data folder holds "
            "JPEG, PNG or DICOM files that open."
        )
    return Evaluation(
        files=tuple(row.file for row in scored),
        patients=tuple(row.patient or row.file for row in scored),
        labels=np.array([row.label == "PNEUMONIA" for row in scored], dtype=np.int64),
        probabilities=np.array(probabilities, dtype=np.float64),
        indeterminate=np.array(indeterminate, dtype=np.bool_),
        operating_point=predictor.card.operating_point,
        model=predictor.model,
        refused=tuple(refused),
        refused_by_gate=tuple(refused_by_gate),
        source=source,
    )


def _decoded(
    rows: Sequence[Row], on_bad_image: OnBadImage, refused: list[Refusal]
) -> Iterator[tuple[Row, Radiograph]]:
    for row in rows:
        try:
            yield row, _read(row)
        except ImageError as error:
            if on_bad_image == "stop":
                raise DataError(
                    f"{row.file}: {error.detail} Mend or remove the file, or go on without such "
                    "files with --on-bad-image skip."
                ) from error
            refused.append(Refusal.of(row, error))


def _read(row: Row) -> Radiograph:
    try:
        data = row.path.read_bytes()
    except OSError as error:
        raise DamagedImage(f"The file cannot be opened ({error.strerror}).") from error
    return decode(data)


def _gate_refusal(row: Row, film: Radiograph) -> Refusal | None:
    try:
        gate.check(film)
    except UnreadableFilm as error:
        return Refusal.of(row, error)
    return None


def _proportion(successes: int, n: int) -> dict[str, Any]:
    return _rate(successes / n if n else math.nan, wilson(successes, n))


def _rate(value: float, interval: tuple[float, float]) -> dict[str, Any]:
    """JSON has no nan: None stands for it."""
    value_, low, high = (None if math.isnan(v) else float(v) for v in (value, *interval))
    return {"value": value_, "ci95": [low, high]}


def _fields(record: Source | Refusal) -> dict[str, str]:
    return {name: getattr(record, name) for name in record.__slots__}
