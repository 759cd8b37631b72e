"""One assessment of a model from films to files: scores, evidence, and the report of both."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pneumonia.errors import DataError
from train.data.manifest import Row
from train.data.squares import OnBadImage
from train.evaluate import evidence, examples, exhibits, radiograph_plots, report
from train.evaluate.evaluate import Reader, evaluate
from train.evaluate.evaluation import Evaluation, Source
from train.evaluate.maps import HeatProbe
from train.evaluate.page import document
from train.evaluate.perturbed import PerturbationProbe
from train.evaluate.summary import summarise
from train.perturbations import ROBUSTNESS, SHORTCUTS
from train.reporter import Reporter


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
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score the films, measure everything, and write the report into the folder ``out``.

    What :func:`train.evaluate.report.write` does comes first, then ``examples.png``;
    ``evidence.json`` and ``evidence.html`` come last.

    Parameters
    ----------
    quick
        Leave out the altered films: each alteration costs one more pass over all films.

    Returns
    -------
    The contents of ``metrics.json`` and of ``evidence.json``.

    Raises
    ------
    DataError
        See :func:`train.evaluate.evaluate.evaluate`; or when the folder cannot be written.
    ImportError
        Without matplotlib, after all but the plots has been written.
    """
    heat = HeatProbe()
    read = partial(
        evaluate, predictor, rows, batch_size=batch_size, on_bad_image=on_bad_image, source=source
    )
    with reporter.bar("films", len(rows)) as advance:
        evaluation = read(advance=advance, probes=[heat])
    without_plots = None
    try:
        figures = report.write(evaluation, out)  # at once: the altered films take minutes
        _show_examples(evaluation, rows, out)
    except ImportError as error:
        figures, without_plots = summarise(evaluation), error
    perturbed = None
    if not quick:
        perturbations = SHORTCUTS | ROBUSTNESS
        with reporter.bar("altered films", len(rows) * len(perturbations)) as advance:
            perturbed = PerturbationProbe(predictor, perturbations, advance)
            read(probes=[perturbed])
    found = evidence.measure(evaluation, heat, perturbed)
    radiographs = exhibits.make(predictor, {row.file: row for row in rows}, found["worst"])
    try:
        text = json.dumps(found, indent=2, allow_nan=False)
        (out / "evidence.json").write_text(text + "\n", encoding="utf-8")
        page = document.render(evaluation, found, radiographs)
        (out / "evidence.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {out} ({error.strerror}). Give another folder."
        ) from error
    if without_plots is not None:
        raise without_plots
    return figures, found


def _show_examples(evaluation: Evaluation, rows: Sequence[Row], out: Path) -> None:
    calls = examples.Calls.of(evaluation)
    chosen = examples.choose(calls)
    by_name = {row.file: row for row in rows}
    radiograph_plots.plot_examples(
        examples.read(by_name, [evaluation.files[i] for i in chosen]),
        [calls.truths[i] for i in chosen],
        [calls.called[i] for i in chosen],
        out,
        confidences=[calls.confidences[i] for i in chosen],
    )
