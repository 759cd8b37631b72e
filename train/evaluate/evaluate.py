"""Evaluation of a model: radiographs in, one typed report out, and the files made of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from train.data.manifest import Row
from train.data.squares import OnBadImage
from train.evaluate import examples, exhibits, files
from train.evaluate.maps import HeatProbe
from train.evaluate.perturbed import PerturbationProbe, Perturbations
from train.evaluate.predictions import Source
from train.evaluate.report import EvaluationReport
from train.evaluate.scoring import Reader, score
from train.perturbations import ROBUSTNESS, SHORTCUTS
from train.reporter import Reporter


def evaluate(
    predictor: Reader,
    rows: Sequence[Row],
    reporter: Reporter,
    *,
    source: Source | None = None,
    quick: bool = True,
    batch_size: int = 32,
    on_bad_image: OnBadImage = "stop",
) -> EvaluationReport:
    """The report on radiographs as they are; :func:`perturb` adds what perturbations change.

    Raises
    ------
    DataError
        See :func:`train.evaluate.scoring.score`.
    """
    heat = HeatProbe()
    with reporter.bar("films", len(rows)) as advance:
        predictions = score(
            predictor, rows, batch_size=batch_size, on_bad_image=on_bad_image,
            advance=advance, probes=[heat], source=source,
        )  # fmt: skip
    return EvaluationReport.of(predictions, heat, quick=quick)


def perturb(
    report: EvaluationReport,
    predictor: Reader,
    rows: Sequence[Row],
    reporter: Reporter,
    *,
    batch_size: int = 32,
    on_bad_image: OnBadImage = "stop",
) -> EvaluationReport:
    """The report with the figures of every perturbation: one more pass over all rows for each."""
    perturbations = SHORTCUTS | ROBUSTNESS
    with reporter.bar("altered films", len(rows) * len(perturbations)) as advance:
        probe = PerturbationProbe(predictor, perturbations, advance)
        score(predictor, rows, batch_size=batch_size, on_bad_image=on_bad_image, probes=[probe])
    return replace(report, perturbations=Perturbations.of(report.predictions, probe))


def assess(
    predictor: Reader,
    rows: Sequence[Row],
    source: Source,
    out: Path,
    reporter: Reporter,
    *,
    quick: bool = False,
    batch_size: int = 32,
    on_bad_image: OnBadImage = "stop",
) -> EvaluationReport:
    """Evaluate, and write the report into the folder ``out``.

    The figures and plots of the radiographs as they are come at once: perturbations take minutes.

    Parameters
    ----------
    quick
        Leave out the perturbations.

    Raises
    ------
    DataError
        See :func:`evaluate`; or when the folder cannot be written.
    """
    report = evaluate(
        predictor, rows, reporter, source=source, quick=quick,
        batch_size=batch_size, on_bad_image=on_bad_image,
    )  # fmt: skip
    by_file = {row.file: row for row in rows}
    files.write_figures(report, examples.show(report.predictions, by_file), out)
    if not quick:
        report = perturb(
            report, predictor, rows, reporter, batch_size=batch_size, on_bad_image=on_bad_image
        )
    files.write_evidence(report, exhibits.make(predictor, by_file, report.worst), out)
    return report
