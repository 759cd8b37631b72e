"""The section about three classes, of a model that tells bacterial from viral pneumonia."""

from typing import Any

from train.evaluate.page.markup import Markup, count, pair, paragraph, rate, section, table

_RATES = ("precision", "recall", "f1", "auroc")


def tell(found: dict[str, Any]) -> Markup:
    """How well each class is told from the other two; empty for a model that tells only two."""
    if not found["tells_causes"]:
        return Markup("")
    figures = found["classes"]
    if figures is None:
        text = (
            "The model tells bacterial from viral pneumonia, but the data does not say which is "
            "which: that was not measured."
        )
        return section("classes", "Three classes", paragraph(text))
    names, unknown = figures["names"], figures["unknown"]
    raw = (
        ""
        if figures["calibrated"]
        else (
            " Bacterial and viral could not be calibrated apart: they share a pneumonia as the "
            "network's own softmax says, and the app shows neither."
        )
    )
    left_out = f" Left out: {count(unknown, 'film')} of unknown cause." if unknown else ""
    return section(
        "classes",
        "Three classes",
        table(
            "Each class against the other two",
            ("Class", "Films", "Precision", "Recall", "F1", "AUROC"),
            [
                (name, str(one["support"]), *(rate(one[key]) for key in _RATES))
                for name, one in figures["per_class"].items()
            ],
        ),
        pair(
            table(
                "All three together",
                ("Measure", "Value"),
                [
                    ("Accuracy", rate(figures["accuracy"])),
                    ("Macro F1: mean over the classes", rate(figures["macro_f1"])),
                    ("Mean AUROC of one class against the rest", rate(figures["macro_auroc"])),
                ],
            ),
            table(
                "What the films of each class are called",
                ("Truth", *(f"Called {name}" for name in names)),
                [
                    (name, *map(str, line))
                    for name, line in zip(names, figures["confusion"], strict=True)
                ],
            ),
        ),
        paragraph(
            f"{count(figures['n'], 'film')} whose class is known are counted.{left_out} A film is "
            f"called what is likeliest of the three, whatever the operating point.{raw}"
        ),
    )
