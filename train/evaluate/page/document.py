"""The whole page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from train.evaluate.evaluation import Evaluation
from train.evaluate.exhibits import Exhibit
from train.evaluate.page import classes, scores, trials
from train.evaluate.page.markup import Markup, count, paragraph, section, table

_STYLE: Final = Path(__file__).with_name("style.css")
_CONTENTS: Final = {
    "glance": "At a glance",
    "discrimination": "Discrimination",
    "calibration": "Calibration",
    "selective": "Doubtful films",
    "etiology": "By cause",
    "classes": "Three classes",
    "shortcuts": "Shortcuts",
    "robustness": "Robustness",
    "map": "The map",
    "errors": "The worst errors",
    "left-out": "Refused and indeterminate",
    "made": "How it was made",
}


def render(evaluation: Evaluation, found: dict[str, Any], exhibits: Sequence[Exhibit]) -> str:
    """The report as one HTML document that needs no other file.

    Parameters
    ----------
    found
        As :func:`train.evaluate.evidence.measure` gives it for this evaluation.
    """
    body = "".join(
        (
            _header(found),
            "<main>",
            scores.glance(found),
            scores.discrimination(evaluation, found),
            scores.calibration(evaluation, found),
            scores.selective(evaluation, found),
            scores.etiology(found),
            classes.tell(found),
            trials.perturbations(found),
            trials.maps(found),
            trials.errors(found, exhibits),
            scores.left_out(found),
            _made(found),
            "</main>",
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(_title(found))}</title>\n"
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _title(found: dict[str, Any]) -> str:
    data = found["data"]
    where = f" on {data['folder']}, {data['split']}" if data else ""
    return f"Evidence: {found['model']['id']}{where}"


def _header(found: dict[str, Any]) -> str:
    radiographs = (
        f"{count(found['n'], 'film')} of {count(found['patients'], 'patient')}: "
        f"{found['normal']} normal, {found['pneumonia']} with pneumonia."
    )
    contents = dict(_CONTENTS)
    if found["stress"] is None:
        del contents["robustness"]
    if not found["tells_causes"]:
        del contents["classes"]
    links = "".join(f'<li><a href="#{name}">{text}</a></li>' for name, text in contents.items())
    return (
        f"<header><h1>{escape(_title(found))}</h1>"
        f"{paragraph(radiographs)}"
        '<p class="soft">Figures stand with their 95 % intervals. For research, not for '
        "diagnosis.</p>"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav></header>'
    )


def _made(found: dict[str, Any]) -> Markup:
    data = found["data"] or {}
    rows = [("Model", found["model"]["id"]), ("SHA-256 of its weights", found["model"]["sha256"])]
    if data:
        rows += [
            ("Data, split", f"{data['folder']}, {data['split']}"),
            ("SHA-256 of the films", data["digest"]),
        ]
    command = found["command"]
    return section(
        "made",
        "How it was made",
        table("Model and data", ("What", "Which"), rows, kind="hashes", numbers=False),
        paragraph(
            "Intervals are percentile bootstraps over patients: 1000 resamples, each patient with "
            "all their films, seed 0. Every film is read once by the code that serves; nothing "
            "was chosen on these films by this report."
        ),
        Markup(f"<p>The same again:</p><pre>{escape(command)}</pre>") if command else "",
    )
