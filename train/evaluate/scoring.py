"""Scoring of labelled radiographs with the very predictor that serves.

Nothing is chosen here: the operating points, the calibration and the preprocessing are the
bundle's, and every film is scored once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.calibration import sigmoid
from pneumonia.analysis.finding import Finding, Label, ModelRef, OperatingPoint
from pneumonia.analysis.gate import Examined
from pneumonia.errors import DamagedImage, DataError, ImageError
from pneumonia.imaging import Radiograph, decode
from pneumonia.imaging.lungs import Lungs
from train.data import masks
from train.data.manifest import Row
from train.data.squares import OnBadImage
from train.evaluate.predictions import Predictions, Refusal, Source
from train.perturbations import GRID


class Measured(Protocol):
    """What is asked of a card."""

    @property
    def operating_points(self) -> dict[str, OperatingPoint]: ...


class Reader(Protocol):
    """What is asked of a predictor; :class:`pneumonia.analysis.predictor.Predictor` is one."""

    @property
    def card(self) -> Measured: ...
    @property
    def model(self) -> ModelRef: ...
    @property
    def operating_point(self) -> OperatingPoint: ...
    def examine(self, radiographs: Sequence[Radiograph], /) -> list[Examined]: ...
    def read(self, examined: Sequence[Examined], /) -> list[Finding]: ...


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Films that went through together: k of everything, in one order.

    ``lungs`` are those a person drew where the data has them, otherwise as the bundle finds them.
    """

    rows: Sequence[Row]
    radiographs: Sequence[Radiograph]
    examined: Sequence[Examined]
    findings: Sequence[Finding]
    lungs: Sequence[Lungs | None]


#: Looks at each batch as it passes, and keeps what it measures.
Probe = Callable[[Batch], None]


def score(
    predictor: Reader,
    rows: Sequence[Row],
    *,
    batch_size: int = 32,
    on_bad_image: OnBadImage = "stop",
    advance: Callable[[int], None] = lambda _: None,
    probes: Sequence[Probe] = (),
    source: Source | None = None,
) -> Predictions:
    """Predictions on every radiograph, each scored once.

    The gate is only counted beside: a film that it would refuse is scored like the others, so that
    nobody improves the figures by refusing more.

    Parameters
    ----------
    rows
        Films with their labels, as :func:`select_rows` gives them.
    on_bad_image
        What a file that cannot be decoded does: ``"stop"`` raises, ``"skip"`` lists it in
        ``Predictions.refused``.
    advance
        Called after each batch with the number of its films.
    probes
        Called with each batch of films that could be decoded.

    Raises
    ------
    DataError
        For a broken image under ``"stop"``, or where no film is left to score.
    """
    scored: list[Row] = []
    findings: list[Finding] = []
    refused: list[Refusal] = []
    refused_by_gate: list[Refusal] = []
    for start in range(0, len(rows), batch_size):
        chunk = rows[start : start + batch_size]
        if readable := list(_decoded(chunk, on_bad_image, refused)):
            batch = _read_batch(predictor, readable)
            refused_by_gate += [
                Refusal.of(row, radiograph.refusal)
                for row, radiograph in zip(batch.rows, batch.examined, strict=True)
                if radiograph.refusal is not None
            ]
            for probe in probes:
                probe(batch)
            scored += batch.rows
            findings += batch.findings
        advance(len(chunk))
    if not scored:
        raise DataError(
            f"None of the {len(rows)} films could be scored. Check that the data folder holds "
            "JPEG, PNG or DICOM files that open."
        )
    return Predictions(
        files=tuple(row.file for row in scored),
        patients=tuple(row.patient or row.file for row in scored),
        labels=np.array([row.label == "PNEUMONIA" for row in scored], dtype=np.int64),
        probabilities=np.array([f.probability for f in findings], dtype=np.float64),
        logits=np.array([f.logit for f in findings], dtype=np.float64),
        indeterminate=np.array([f.label is Label.INDETERMINATE for f in findings], np.bool_),
        operating_point=predictor.operating_point,
        operating_points=dict(predictor.card.operating_points),
        model=predictor.model,
        viral=_viral(findings),
        etiology_calibrated=all(finding.etiology is not None for finding in findings),
        etiologies=tuple(row.etiology for row in scored),
        sources=tuple(row.source for row in scored),
        populations=tuple(row.population for row in scored),
        refused=tuple(refused),
        refused_by_gate=tuple(refused_by_gate),
        source=source,
    )


def _viral(findings: Sequence[Finding]) -> NDArray[np.float64] | None:
    """float64 (n,): probability that a pneumonia is viral; None from a model of two classes.

    From a model whose two causes could not be calibrated apart it is the network's own.
    """
    found = [probability for f in findings if (probability := _viral_of(f)) is not None]
    return np.array(found) if found else None


def _viral_of(finding: Finding) -> float | None:
    if finding.etiology is not None:
        return finding.etiology.viral
    return None if finding.viral_logit is None else sigmoid(finding.viral_logit)


def _read_batch(predictor: Reader, readable: list[tuple[Row, Radiograph]]) -> Batch:
    rows, radiographs = zip(*readable, strict=True)
    examined = predictor.examine(radiographs)
    lungs = [
        drawn_lungs(row) if row.mask is not None else radiograph.lungs
        for row, radiograph in zip(rows, examined, strict=True)
    ]
    return Batch(rows, radiographs, examined, predictor.read(examined), lungs)


def _decoded(
    rows: Sequence[Row], on_bad_image: OnBadImage, refused: list[Refusal]
) -> Iterator[tuple[Row, Radiograph]]:
    for row in rows:
        try:
            yield row, read_radiograph(row)
        except ImageError as error:
            if on_bad_image == "stop":
                raise DataError(
                    f"{row.file}: {error.detail} Mend or remove the file, or go on without such "
                    "files with --on-bad-image skip."
                ) from error
            refused.append(Refusal.of(row, error))


def read_radiograph(row: Row) -> Radiograph:
    """Decode a film. Raises ImageError."""
    try:
        data = row.path.read_bytes()
    except OSError as error:
        raise DamagedImage(f"The file cannot be opened ({error.strerror}).") from error
    return decode(data)


def drawn_lungs(row: Row) -> Lungs | None:
    """The lungs as a person drew them, on a square grid; None where the data has no drawing.

    Raises
    ------
    DataError
        When the drawing cannot be read.
    """
    return masks.read(row, GRID)
