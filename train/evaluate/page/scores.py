"""The sections about the scores: how well they rank and decide, what they mean, on whom."""

from collections.abc import Sequence
from typing import Any

from train.evaluate.evaluation import Evaluation
from train.evaluate.page import curves
from train.evaluate.page.markup import (
    Markup,
    count,
    html,
    pair,
    paragraph,
    percent,
    rate,
    section,
    table,
)

_NAMES = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "f1": "F1",
    "mcc": "Matthews correlation",
}


def glance(found: dict[str, Any]) -> Markup:
    """The few figures that are looked for first."""
    name = found["operating_point"]
    point = found["discrimination"]["points"][name]
    tiles = [
        ("AUROC", found["discrimination"]["auroc"], "ranks a pneumonia above a normal"),
        ("Sensitivity", point["sensitivity"], f"at {name}"),
        ("Specificity", point["specificity"], f"at {name}"),
        ("Calibration error", found["calibration"]["ece"], "0 is best"),
        ("Heat in the lungs", found["map"]["heat_in_lungs"], _lungs_share(found["map"])),
    ]
    if tests := found["stress"]:
        covered = tests["shortcuts"]["lungs blacked out"]
        tiles.append(("AUROC without lungs", covered["auroc"], "blacked out; chance is 0.5"))
        robust = [t for t in tests["robustness"].items() if t[1]["auroc"]["value"] is not None]
        if robust:
            worst, figures = min(robust, key=lambda test: test[1]["auroc"]["value"])
            tiles.append(("AUROC at its worst", figures["auroc"], f"films altered: {worst}"))
    entries = "".join(
        f"<div><dt>{html(title)}</dt><dd>{rate(figure)}</dd><dd>{html(note)}</dd></div>"
        for title, figure, note in tiles
    )
    return section("glance", "At a glance", f'<dl class="tiles">{entries}</dl>')


def _lungs_share(where: dict[str, Any]) -> str:
    share = where["lungs_share_of_film"]["value"]
    return "the lungs are not known" if share is None else f"lungs: {percent(share)} of the film"


def discrimination(evaluation: Evaluation, found: dict[str, Any]) -> Markup:
    """Rates at each operating point, confusions, ROC and precision-recall."""
    figures, points = found["discrimination"], found["discrimination"]["points"]
    thresholds = ["Threshold", *(f"{point['threshold']:.3f}" for point in points.values())]
    rows = [[title, *(rate(p[key]) for p in points.values())] for key, title in _NAMES.items()]
    return section(
        "discrimination",
        "Discrimination",
        table(
            "How well the probability ranks",
            ("Measure", "Value"),
            [
                ("AUROC", rate(figures["auroc"], 4)),
                ("AUPRC (average precision)", rate(figures["auprc"], 4)),
            ],
        ),
        table(
            "How well it decides, at each operating point",
            ("Measure", *points),
            [thresholds, *rows],
        ),
        paragraph(
            "A film is called pneumonia when its probability is at or above the threshold; films "
            "in the indeterminate band are counted by the threshold alone."
        ),
        table(
            "Films called normal and called pneumonia",
            ("Operating point and truth", "Called normal", "Called pneumonia"),
            [
                (f"{name}: {truth}", *map(str, line))
                for name, point in points.items()
                for truth, line in zip(("normal", "pneumonia"), point["confusion"], strict=True)
            ],
        ),
        pair(curves.draw_roc(evaluation), curves.draw_precision_recall(evaluation)),
    )


def calibration(evaluation: Evaluation, found: dict[str, Any]) -> Markup:
    """What a probability is worth."""
    figures = table(
        "How far the probability is from what was",
        ("Measure", "Value"),
        [
            ("Expected calibration error (15 bins)", rate(found["calibration"]["ece"], 4)),
            ("Brier score", rate(found["calibration"]["brier"], 4)),
        ],
    )
    note = paragraph(
        "A resample has noisier bins than the films themselves, so the interval of the "
        "calibration error leans upwards."
    )
    return section(
        "calibration", "Calibration", pair(figures + note, curves.draw_reliability(evaluation))
    )


def selective(evaluation: Evaluation, found: dict[str, Any]) -> Markup:
    """What is gained by leaving the doubtful films to the reader."""
    name = found["operating_point"]
    bands = {
        point: figures["indeterminate"]
        for point, figures in found["discrimination"]["points"].items()
    }
    return section(
        "selective",
        "Doubtful films left to the reader",
        table(
            "Accuracy outside the indeterminate band",
            ("Operating point", "Band", "Films outside it", "Their share", "Accuracy on them"),
            [
                (
                    point,
                    f"{bands[point][0]:.3f} to {bands[point][1]:.3f}" if bands[point] else "none",
                    str(outside["n"]),
                    percent(outside["share"]),
                    rate(outside["accuracy"]),
                )
                for point, outside in found["selective"]["outside_band"].items()
            ],
        ),
        pair(
            table(
                f"Accuracy against coverage, at {name}",
                ("Coverage", "Films", "Accuracy"),
                [
                    (f"{100 * row['coverage']:.0f} %", str(row["n"]), rate(row["accuracy"]))
                    for row in found["selective"]["coverage"]
                ],
            ),
            curves.draw_selective(evaluation),
        ),
    )


def etiology(found: dict[str, Any]) -> Markup:
    """Scores by cause, where the data names causes."""
    causes = found["etiology"]
    if not causes:
        text = "The data does not say which pneumonias are bacterial and which viral."
        return section("etiology", "By cause", paragraph(text))
    points = list(next(iter(causes.values()))["called_pneumonia"])
    return section(
        "etiology",
        "By cause",
        table(
            "Scores of normal films and of bacterial and viral pneumonia",
            (
                "Truth",
                "Films",
                "Mean probability",
                *(f"Called pneumonia at {point}" for point in points),
                "AUROC against the normals",
            ),
            [
                (
                    name,
                    str(cause["n"]),
                    rate(cause["mean_probability"]),
                    *(rate(cause["called_pneumonia"][point]) for point in points),
                    rate(cause["auroc"]),
                )
                for name, cause in causes.items()
            ],
        ),
        paragraph(
            "For a pneumonia, the share called pneumonia is the sensitivity; for the normals it is "
            "1\u00a0−\u00a0specificity."
        ),
    )


def left_out(found: dict[str, Any]) -> Markup:
    """What the gate would refuse, what could not be read, and what is called neither."""
    gate, broken, doubtful = (
        found["refused_by_gate"],
        found["refused"],
        found["indeterminate"],
    )
    say = (
        f"The application would refuse {count(len(gate), 'film')} of these and call "
        f"{count(len(doubtful), 'film')} indeterminate at {found['operating_point']}; all of them "
        f"are scored here and counted in every figure above. {count(len(broken), 'file')} could "
        "not be decoded and had no score."
    )
    parts: list[str] = [paragraph(say)]
    for caption, radiographs in (("Refused by the gate", gate), ("Could not be decoded", broken)):
        parts.append(
            _listed(
                caption,
                ("File", "Code", "Reason"),
                [
                    (radiograph["file"], radiograph["code"], radiograph["reason"])
                    for radiograph in radiographs
                ],
            )
        )
    parts.append(
        _listed(
            "In the indeterminate band",
            ("File", "Truth", "Probability"),
            [
                (radiograph["file"], radiograph["label"], f"{radiograph['probability']:.3f}")
                for radiograph in doubtful
            ],
        )
    )
    return section("left-out", "Refused and indeterminate", *parts)


def _listed(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A list that opens on demand where it is long."""
    if not rows:
        return ""
    body = table(caption, head, rows, kind="files", numbers=False)
    opened = " open" if len(rows) <= 20 else ""
    return f"<details{opened}><summary>{caption} ({len(rows)})</summary>{body}</details>"
