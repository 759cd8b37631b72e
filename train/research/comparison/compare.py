"""The whole comparison: train what is left to train, and keep the report up to date."""

from pathlib import Path

from train.reporter import Reporter
from train.research.comparison import table
from train.research.comparison.line import Line, lines
from train.research.comparison.runs import Comparison
from train.research.comparison.table import PICTURE, Report


def compare(comparison: Comparison, out: Path, command: str, reporter: Reporter) -> list[Line]:
    """Run what is not finished and write ``comparison.md``, ``.csv`` and ``.png`` into ``out``.

    The tables are written anew after every training, so that one that is cut off leaves those of
    what is finished. The picture comes last, and is left out with a warning without matplotlib.
    """

    def report() -> Report:
        found = lines(comparison.results(), has_test=comparison.has_test)
        return Report(found, comparison.radiographs.root.resolve().name, command)

    for _ in comparison.run(reporter):
        table.write(report(), out)
    done = report()
    table.write(done, out)
    try:
        from train.research.comparison.figure import draw

        draw(done.lines, out / PICTURE)
    except ImportError:
        reporter.warn("matplotlib is not installed: no picture is drawn")
    return list(done.lines)
