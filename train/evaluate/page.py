"""Page of an evaluation report: one HTML document that needs no other file."""

import base64
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pneumonia.imaging.overlay import colour_stops
from train.estimates import Estimate
from train.evaluate.exhibits import Exhibit
from train.evaluate.perturbed import Perturbed
from train.evaluate.report import EvaluationReport

_FOLDER: Final = Path(__file__).parent


def render(
    report: EvaluationReport, exhibits: Sequence[Exhibit], charts: Mapping[str, bytes]
) -> str:
    """The report as HTML.

    Parameters
    ----------
    charts
        SVG files by the names that :func:`train.evaluate.files.write_figures` gives them.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"estimate": _estimate, "percent": _percent, "films": _films}
    return environment.get_template("page.html.j2").render(
        report=report,
        predictions=report.predictions,
        exhibits=exhibits,
        charts={name: _data_uri(svg) for name, svg in charts.items()},
        least_robust=_least_robust(report),
        heat_colours=", ".join(colour_stops(8)),
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  # nosec B704  # ours
    )


def _least_robust(report: EvaluationReport) -> tuple[str, Perturbed] | None:
    """Of the perturbations that should change nothing, the one with the lowest AUROC."""
    tests = report.perturbations.robustness if report.perturbations else {}
    measured = {name: one for name, one in tests.items() if not isnan(one.auroc.value)}
    return min(measured.items(), key=lambda item: item[1].auroc.value, default=None)


def _estimate(figure: Estimate | None, digits: int = 3) -> Markup:
    """A figure with its interval below it; a dash where there is none."""
    if figure is None or isnan(figure.value):
        return Markup("–")
    text = f"{figure.value:.{digits}f}"
    if isnan(figure.low):
        return Markup(text)  # noqa: S704  # nosec B704  # digits alone
    return Markup("{} <small>{:.{}f} to {:.{}f}</small>").format(
        text, figure.low, digits, figure.high, digits
    )


def _percent(share: float) -> str:
    return "–" if isnan(share) else f"{100 * share:.1f} %"


def _films(n: int, what: str = "film") -> str:
    """``1 film``, ``2 films``."""
    return f"{n} {what if n == 1 else what + 's'}"


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
