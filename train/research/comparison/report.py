"""The comparison's report: Markdown for people, CSV for programs, and a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path

from train.files import replacing, write_text
from train.reporter import Reporter
from train.research.comparison.comparison import Comparison
from train.research.comparison.figure import draw
from train.research.comparison.protocol import BY_PATIENT
from train.research.comparison.row import Row
from train.research.comparison.table import table

PICTURE = "comparison.png"
THREE = """\
A film is called what is likeliest of the three after calibration; where a note says that bacterial
and viral could not be calibrated apart, they share a pneumonia as the network's own softmax says.
Films whose cause is not known are left out. The rates of the second table are those of pneumonia,
whatever its cause."""


def run_and_report(
    comparison: Comparison, out: Path, command: str, reporter: Reporter
) -> Sequence[Row]:
    """Run what is not finished and write ``comparison.md``, ``.csv`` and ``.png`` into ``out``.

    The tables are written anew after every training, so that one that is cut off leaves those of
    what is finished; the picture comes last.
    """
    out.mkdir(parents=True, exist_ok=True)
    for _ in comparison.run(reporter):
        _write(comparison, out, command)
    rows = _write(comparison, out, command)
    draw(rows, out / PICTURE)
    return rows


def _write(comparison: Comparison, out: Path, command: str) -> Sequence[Row]:
    """Write both tables, each whole or not at all."""
    rows = [Row(paper, patient, comparison.has_test) for paper, patient in comparison.results()]
    data = comparison.radiographs.root.resolve().name
    write_text(out / "comparison.md", markdown(rows, data, command))
    write_csv(rows, out / "comparison.csv")
    return rows


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write a line for each entry; what is not known is empty."""
    lines = [row.as_dict() for row in rows]
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def markdown(rows: Sequence[Row], data: str, command: str) -> str:
    """All tables, and what to know of them.

    Parameters
    ----------
    data
        Name of the folder of radiographs, without the path to it.
    command
        The command line that makes the report again.
    """
    two = [row for row in rows if not row.has_three_classes]
    three = [row for row in rows if row.has_three_classes]
    blocks = [
        "# Published systems and ours, on the same films",
        _opening(rows, data, command),
        f"![Each system's accuracy: the paper's, ours under its protocol, by patient]({PICTURE})",
    ]
    if two:
        blocks += ["## Normal or pneumonia", _accuracies(two), _details(two)]
    if three:
        blocks += ["## Normal, bacterial or viral", THREE, _accuracies(three), _details(three)]
    blocks += ["## What they cost", _costs(rows)]
    blocks += ["## How each was trained", _trainings(rows)]
    if failed := [failure for row in rows for failure in row.failures()]:
        blocks += ["## Failed", table(("System", "Protocol", "Why"), failed)]
    return "\n\n".join(block for block in blocks if block) + "\n"


_CHANGED = """
In brackets behind a system: what of its network was changed, so that it is not the paper's."""
_SHARED = """
† One training and its validation films serve both columns: the recipe's own split is the one by
patient."""
_UNCALIBRATED = """
‡ The network learnt nothing: its output does not rise with the label, so it cannot be calibrated,
and there is no bundle. The figure is that of its best epoch on validation, from its history."""


def _opening(rows: Sequence[Row], data: str, command: str) -> str:
    shares = f"{100 * (1 - BY_PATIENT.fraction):.0f}/{100 * BY_PATIENT.fraction:.0f}"
    notes = _CHANGED * any(row.entry.shown != row.entry.name for row in rows)
    notes += _SHARED * any(row.is_same_figure for row in rows)
    notes += _UNCALIBRATED * any(row.learnt_nothing for row in rows)
    return f"""\
Films: `{data}`. Made by:

```bash
{command}
```

Every figure of ours comes from the predictor that serves. **Accuracy** is at a probability of 0.5
as the network gives it, before any calibration, which is how papers report it. **Paper's protocol**
is the split of the recipe, leaks and all, measured on the part that the paper reports;
**by patient** is the same recipe with no patient on two sides ({shares} by patient, the same
patients for every system), measured on validation. **Official test** is the model trained by
patient, on the official films; those cells are filled once these lie in the folder. Some were
[measured elsewhere](measured-elsewhere.md).

**A paper's figure and ours by patient are not of the same films.** Validation comes from where the
training films come from and is easier than the official test: only a filled test column says who
is better. Nor does a high figure say that a network looks at the lungs; `flask evaluate` does.
{notes}"""


def _accuracies(rows: Sequence[Row]) -> str:
    title = "accuracy (macro F1)" if rows[0].has_three_classes else "accuracy"
    ours = ("Ours, paper's protocol", "Ours, by patient", "Official test", "Trained")
    return table(
        ("System", f"Paper: {title}", *ours),
        [
            (x.entry.shown, x.reported, x.under_paper, x.by_patient, x.official_test, x.brief)
            for x in rows
        ],
    )


def _details(rows: Sequence[Row]) -> str:
    at_half = ("AUROC (95 % CI)", "At 0.5: sensitivity, specificity")
    balanced = ("Balanced: accuracy", "sensitivity, specificity")
    details = [detail for row in rows for detail in row.details()]
    return (
        table(("System", "Measured on", "Films", *at_half, *balanced), details) if details else ""
    )


def _costs(rows: Sequence[Row]) -> str:
    head = ("System", "Parameters, M", "Training", "On", "Film on CPU, ms", "x ResNet-50")
    counts = sorted({row.speed.threads for row in rows if row.speed})
    threads = f" (torch threads: {', '.join(map(str, counts))})" if counts else ""
    return f"""{table(head, [row.costs() for row in rows])}

Training: the epochs with their validation, of the training by patient. What frozen layers make of
the films is computed once, shared by all entries, and not part of it. A film on the CPU: the median
of single-film passes of the network with its map{threads}, taken in turns with those of ResNet-50
at 224 x 224 in the same process."""


def _trainings(rows: Sequence[Row]) -> str:
    head = ("System", "Began from", "Budget", "Changed in the recipe", "Note")
    return table(head, [row.how_trained() for row in rows])
