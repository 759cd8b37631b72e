"""The whole comparison: train what is left to train, and keep the report up to date."""

from pathlib import Path

from train.comparison import table
from train.comparison.line import Line, lines
from train.comparison.runs import Comparison
from train.comparison.table import PICTURE, Report
from train.reporter import Reporter


def compare(comparison: Comparison, out: Path, command: str, reporter: Reporter) -> list[Line]:
    """Run what is not finished and write ``comparison.md``, ``.csv`` and ``.png`` into ``out``.

    The tables are written anew after every training, so that one that is cut off leaves those of
    what is finished. The picture comes last, and is left out with a warning without matplotlib.
    """

    def report() -> Report:
        found = lines(comparison.results(), has_test=comparison.has_test)
        return Report(found, comparison.films.root.resolve().name, command)

    for _ in comparison.run(reporter):
        table.write(report(), out)
    done = report()
    table.write(done, out)
    try:
        from train.comparison.figure import draw

        draw(done.lines, out / PICTURE)
    except ImportError:
        reporter.warn("matplotlib is not installed: no picture is drawn")
    return list(done.lines)
