"""The sections about altered films, the maps and the worst errors."""

from collections.abc import Sequence
from typing import Any

from pneumonia.imaging.overlay import colour_stops
from train.evaluate.exhibits import Exhibit
from train.evaluate.page.charts import interval_strip
from train.evaluate.page.markup import Markup, html, paragraph, rate, section, table

_HEAD = (
    "Film", "AUROC", "0.4 to 1", "Calibration error", "Sensitivity", "Specificity",
    "Median change", "Refused",
)  # fmt: skip


def perturbations(found: dict[str, Any]) -> Markup:
    """Both tables of altered films; a sentence where none was altered."""
    tests = found["stress"]
    if tests is None:
        text = "The films were not altered in this run: it was made with --quick."
        return section("shortcuts", "Shortcuts and robustness", paragraph(text))
    name = found["operating_point"]
    return Markup(
        section(
            "shortcuts",
            "Shortcuts: does the verdict come from the lungs?",
            paragraph(
                "With the lungs blacked out nothing is left to see, so an AUROC above 0.5 is what "
                "the model knows from borders, letters and exposure. Everything else here should "
                "change little."
            ),
            _table("Films altered to find shortcuts", found, tests["shortcuts"]),
        )
        + section(
            "robustness",
            "Robustness: another machine, exposure or file",
            _table("Films altered as machines and files differ", found, tests["robustness"]),
            paragraph(
                "Every film is altered before anything else sees it; the lungs are found again, "
                "and what the gate would refuse is scored too, and counted. Decisions are those "
                f"at {name}; the median change is that of the probability. What is random is "
                "drawn for each film, the same in every run."
            ),
        )
    )


def _table(caption: str, found: dict[str, Any], tests: dict[str, Any]) -> Markup:
    point = found["discrimination"]["points"][found["operating_point"]]
    auroc = found["discrimination"]["auroc"]
    plain = (
        "as they are", rate(auroc), _strip(auroc), rate(found["calibration"]["ece"]),
        rate(point["sensitivity"]), rate(point["specificity"]), "–",
        str(len(found["refused_by_gate"])),
    )  # fmt: skip
    rows = [
        (
            _name(name, test, found["n"]),
            rate(test["auroc"]),
            _strip(test["auroc"]),
            rate(test["ece"]),
            rate(test["sensitivity"]),
            rate(test["specificity"]),
            "–" if test["median_change"] is None else f"{test['median_change']:.3f}",
            str(test["refused_by_gate"]),
        )
        for name, test in tests.items()
    ]
    return table(caption, _HEAD, [plain, *rows], kind="wide")


def _name(name: str, test: dict[str, Any], radiographs: int) -> Markup:
    short = (
        ""
        if test["n"] == radiographs
        else f"; {test['n']} of {radiographs} films, the others have no lungs"
    )
    return Markup(f"{html(name)} <small>{html(test['what'])}{html(short)}</small>")


def _strip(figure: dict[str, Any]) -> Markup:
    return Markup(interval_strip(figure, 0.4, 1.0, 0.5))


def maps(found: dict[str, Any]) -> Markup:
    """Where the maps are hot."""
    where = found["map"]
    if where["lungs_known"] == 0:
        text = (
            "The bundle does not find the lungs and the data has no drawings of them, so where "
            "the maps are hot was not measured."
        )
        parts = [paragraph(text)]
    else:
        drawn, known = where["lungs_drawn_by_a_person"], where["lungs_known"]
        without = where["pneumonias_without_heat"]
        parts = [
            table(
                "Share of the positive heat that lies in the lungs, mean over films",
                ("Films", "How many", "Share"),
                [
                    _line("pneumonia called pneumonia", where["n"], where["heat_in_lungs"]),
                    _line(
                        "all with pneumonia",
                        where["n_of_all_pneumonias"],
                        where["heat_in_lungs_of_all_pneumonias"],
                    ),
                    (
                        "for comparison: the lungs, of the film",
                        "–",
                        rate(where["lungs_share_of_film"]),
                    ),
                ],
            ),
            paragraph(
                f"The lungs are those a person drew on {drawn} of the {known} films where they are "
                f"known, and those the bundle finds on the others. {without} of the pneumonias "
                "have no positive heat at all and are left out."
            ),
        ]
    if boxes := where["boxes"]:
        parts.append(_boxes(boxes))
    return section("map", "The map", *parts)


def _line(name: str, n: int, figure: dict[str, Any]) -> tuple[str, str, Markup]:
    return name, str(n), rate(figure)


def _boxes(boxes: dict[str, Any]) -> Markup:
    return table(
        f"The map against a radiologist's boxes, on {boxes['n']} films",
        ("Measure", "Value"),
        [
            ("Pointing game: the hottest pixel lies in a box", rate(boxes["hit"])),
            ("… a random pixel of the film would", rate(boxes["share_of_radiograph"])),
            ("… a random pixel of the lungs would", rate(boxes["share_of_lungs"])),
            ("IoU of the heat above half its maximum with the boxes", rate(boxes["iou"])),
            ("… of the whole lungs with the boxes", rate(boxes["lungs_iou"])),
        ],
    )


def errors(found: dict[str, Any], exhibits: Sequence[Exhibit]) -> Markup:
    """The worst errors as pictures: the film, and the film with its map."""
    name = found["operating_point"]
    if not exhibits:
        text = f"No film was called wrong at {name}."
        return section("errors", "The worst errors", paragraph(text))
    stops = ", ".join(colour_stops(8))
    legend = (
        '<p class="legend"><span>weak</span>'
        f'<span class="scale" style="background: linear-gradient(90deg, {stops})"></span>'
        "<span>strong evidence towards pneumonia</span></p>"
    )
    return section(
        "errors",
        "The worst errors",
        paragraph(
            f"The wrong calls farthest from the threshold of {name}, the worst first: the film, "
            "and beside it the film with its map on the model's fixed scale and the outline of "
            "the lungs."
        ),
        legend,
        f'<ol class="exhibits">{"".join(_exhibit(one) for one in exhibits)}</ol>',
    )


def _exhibit(one: Exhibit) -> str:
    called = "pneumonia" if one.label == "normal" else "normal"
    about = f"{one.label}, called {called}, probability {one.probability:.3f}"
    band = ", in the indeterminate band" if one.indeterminate else ""
    refused = f"; the gate would refuse it: {one.refusal}" if one.refusal else ""
    return (
        "<li><figure>"
        f'<div class="films"><img src="{one.radiograph}" alt="The film {html(one.file)}">'
        f'<img src="{one.painted}" alt="The same film with its map and the outline of the lungs">'
        f"</div><figcaption><strong>{html(about + band)}</strong> "
        f"<span>{html(one.file + refused)}</span></figcaption></figure></li>"
    )
