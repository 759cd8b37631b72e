"""A comparison as tables: Markdown for people, CSV for programs."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.files import write_text
from train.research.comparison.line import Line

PICTURE = "comparison.png"
THREE = """\
A film is called what is likeliest of the three after calibration; where a note says that bacterial
and viral could not be calibrated apart, they share a pneumonia as the network's own softmax says.
Films whose cause is not known are left out. The rates of the second table are those of pneumonia,
whatever its cause."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that the tables say.

    Attributes
    ----------
    data
        Name of the folder of films, without the path to it.
    command
        The command line that makes the report again.
    """

    lines: Sequence[Line]
    data: str
    command: str


def write(report: Report, out: Path) -> None:
    """Write ``comparison.md`` and ``comparison.csv``, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "comparison.md", markdown(report))
    write_text(out / "comparison.csv", as_csv(report.lines))


def as_csv(lines: Iterable[Line]) -> str:
    """A row for each entry; what is not known is empty."""
    rows = [line.as_row() for line in lines]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown(report: Report) -> str:
    two = [line for line in report.lines if line.classes == 2]
    three = [line for line in report.lines if line.classes == 3]
    blocks = [
        "# Published systems and ours, on the same films",
        _opening(report),
        f"![Each system's accuracy: the paper's, ours under its protocol, by patient]({PICTURE})",
    ]
    if two:
        blocks += ["## Normal or pneumonia", _accuracies(two), "", _details(two)]
    if three:
        blocks += ["## Normal, bacterial or viral", THREE, _accuracies(three), "", _details(three)]
    blocks += ["## What they cost", _costs(report.lines)]
    blocks += ["## How each was trained", _trainings(report.lines)]
    if failed := [row for line in report.lines for row in line.failures()]:
        blocks += ["## Failed", _table(("System", "Protocol", "Why"), failed)]
    return "\n\n".join(block for block in blocks if block) + "\n"


_CHANGED = """
In brackets behind a system: what of its network was changed, so that it is not the paper's."""
_SHARED = """
† One training and its validation films serve both columns: the recipe's own split is the one by
patient."""
_UNCALIBRATED = """
‡ The network learnt nothing: its output does not rise with the label, so it cannot be calibrated,
and there is no bundle. The figure is that of its best epoch on validation, from its history."""


def _opening(report: Report) -> str:
    shares = ", ".join(sorted({line.patient_split for line in report.lines}))
    notes = _CHANGED * any(line.shown != line.name for line in report.lines)
    notes += _SHARED * any(line.is_same_figure for line in report.lines)
    notes += _UNCALIBRATED * any(line.learnt_nothing for line in report.lines)
    return f"""\
Films: `{report.data}`. Made by:

```bash
{report.command}
```

Every figure of ours comes from the predictor that serves. **Accuracy** is at a probability of 0.5
as the network gives it, before any calibration, which is how papers report it. **Paper's protocol**
is the split of the recipe, leaks and all, measured on the part that the paper reports;
**by patient** is the same recipe with no patient on two sides ({shares}, the same
patients for every system), measured on validation. **Official test** is the model trained by
patient, on the official films; those cells are filled once these lie in the folder.

**A paper's figure and ours by patient are not of the same films.** Validation comes from where the
training films come from and is easier than the official test: only a filled test column says who
is better. Nor does a high figure say that a network looks at the lungs; `flask evaluate` does.
{notes}"""


def _accuracies(lines: Sequence[Line]) -> str:
    three = lines[0].classes == 3
    title = "accuracy (macro F1)" if three else "accuracy"
    head = (
        "System",
        f"Paper: {title}",
        "Ours, paper's protocol",
        "Ours, by patient",
        "Official test",
        "Trained",
    )
    rows = [
        (x.shown, x.reported, x.under_paper, x.by_patient, x.official_test, x.brief) for x in lines
    ]
    return _table(head, rows)


def _details(lines: Sequence[Line]) -> str:
    head = (
        "System",
        "Measured on",
        "Films",
        "AUROC (95 % CI)",
        "At 0.5: sensitivity, specificity",
        "Balanced: accuracy",
        "sensitivity, specificity",
    )
    rows = [row for line in lines for row in line.details()]
    return _table(head, rows) if rows else ""


def _costs(lines: Sequence[Line]) -> str:
    head = ("System", "Parameters, M", "Training", "On", "Film on CPU, ms", "x ResNet-50")
    table = _table(head, [line.costs() for line in lines])
    counts = sorted({line.threads for line in lines if line.threads})
    threads = f" (torch threads: {', '.join(map(str, counts))})" if counts else ""
    return f"""{table}

Training: the epochs with their validation, of the training by patient. What frozen layers make of
the films is computed once, shared by all entries, and not part of it. A film on the CPU: the median
of single-film passes of the network with its map{threads}, taken in turns with those of ResNet-50
at 224 x 224 in the same process."""


def _trainings(lines: Sequence[Line]) -> str:
    head = ("System", "Began from", "Budget", "Changed in the recipe", "Note")
    return _table(head, [line.training() for line in lines])


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "\n".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    for row in rows:
        yield _line([str(cell) for cell in row])


def _line(cells: Sequence[str]) -> str:
    # A bar or a line break would end the cell.
    safe = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(safe)} |"
