"""One entry of the comparison, in the words and numbers of its tables."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from train.recipes import dotted
from train.recipes.recipe import FIGURES
from train.research.comparison.protocol import (
    TEST,
    describe,
    figure_part,
    is_same_figure,
    is_shared,
    recipe_for,
)
from train.research.comparison.runs import Result

LOCKED = "official test: locked"
NOT_RUN = "not run yet"
FAILED = "failed"
UNKNOWN = "–"
NOT_MEASURED = "could not be measured"
UNCALIBRATED = " ‡"  # behind what a network without calibration had


@dataclass(frozen=True, slots=True)
class Line:
    """An entry under the paper's protocol and split by patient.

    ``has_test``: the official test films are there.
    """

    paper: Result
    patient: Result
    has_test: bool = False

    @property
    def name(self) -> str:
        return self.paper.entry.name

    @property
    def shown(self) -> str:
        """The name, and what of its network is not the recipe's."""
        return self.paper.entry.shown

    @property
    def classes(self) -> int:
        return len(self.paper.entry.recipe.classes)

    @property
    def patient_split(self) -> str:
        return describe(recipe_for(self.patient.entry, self.patient.protocol).split)

    @property
    def is_same_figure(self) -> bool:
        return is_same_figure(self.paper.entry)

    @property
    def threads(self) -> int | None:
        """CPU threads that its film was timed with."""
        return self._kept("speed").get("threads")

    # --- its figures ----------------------------------------------------------------------------

    @property
    def reported(self) -> str:
        figures = self.paper.entry.recipe.figures
        accuracy, f1 = figures.get("accuracy"), figures.get("macro_f1")
        return _with_f1(accuracy, f1) if self.classes == 3 else number(accuracy, 4)

    @property
    def under_paper(self) -> str:
        return self._headline(self.paper) + " †" * self.is_same_figure

    @property
    def by_patient(self) -> str:
        return self._headline(self.patient)

    @property
    def official_test(self) -> str:
        return self._cell(self.patient, TEST) if self.has_test else LOCKED

    def accuracy(self, result: Result, part: str = "") -> float | None:
        """Of all its classes, on the part that the protocol's figure comes from, or another."""
        found = result.record.measured.get(part or _figure_part(result)) if result.record else None
        if not found:
            return None
        rates = found["classes"] if self.classes == 3 else found["half"]
        value: float | None = rates["accuracy"]
        return value

    def _headline(self, result: Result) -> str:
        return LOCKED if result.locked else self._cell(result, _figure_part(result))

    def _cell(self, result: Result, part: str) -> str:
        if result.record is None:
            return NOT_RUN
        mark = UNCALIBRATED * result.record.learnt_nothing
        if found := result.record.measured.get(part):
            return self._accuracy(found) + mark
        if mark:
            return NOT_MEASURED + mark
        return FAILED if result.record.reason else NOT_RUN

    def _accuracy(self, found: dict[str, Any]) -> str:
        if self.classes == 3:
            return _with_f1(found["classes"]["accuracy"], found["classes"]["macro_f1"])
        return number(found["half"]["accuracy"], 4)

    def details(self) -> Iterator[tuple[str, ...]]:
        """A row for each part of the data that it was measured on."""
        for result in self._trainings():
            for part, found in (result.record.measured if result.record else {}).items():
                half, balanced = found["half"], found["balanced"]
                yield (
                    self.name,
                    f"{result.protocol}: {part}",
                    f"{found['films']:,}",
                    _with_interval(found["auroc"]),
                    _pair(half),
                    number(balanced["accuracy"]),
                    _pair(balanced),
                )

    # --- how it was made ------------------------------------------------------------------------

    def costs(self) -> tuple[str, ...]:
        cost, speed = self._kept("cost"), self._kept("speed")
        return (
            self.name,
            f"{cost['parameters'] / 1e6:.1f}" if cost else UNKNOWN,
            duration(cost["epochs_s"]) if cost else UNKNOWN,
            _machine(cost) if cost else UNKNOWN,
            f"{1000 * speed['radiograph_s']:.0f}" if speed else UNKNOWN,
            f"{speed['radiograph_s'] / speed['baseline_s']:.2f}" if speed else UNKNOWN,
        )

    def training(self) -> tuple[str, ...]:
        entry, cost = self.paper.entry, self._kept("cost")
        changes = dotted.as_words(entry.changes)
        return self.name, self.origin(cost), self.budget(cost), changes or "nothing", self.note

    def origin(self, cost: dict[str, Any]) -> str:
        """What its weights began from, and what of them stayed as it was."""
        source = self.paper.entry.init_weights
        if source == "none" or (cost and not cost["layers"]):
            return "from scratch"
        words = ["ImageNet (torchvision)" if source == "imagenet" else Path(source).stem]
        if new := [name for name in cost.get("new_layers", ()) if name != "head"]:
            words.append(f"new: {', '.join(new)}")
        if frozen := cost.get("frozen"):
            words.append(f"frozen: {frozen[0]} to {frozen[-1]}")
        return "; ".join(words)

    @property
    def brief(self) -> str:
        """``from scratch, 1 of 20 epochs``: what its figures are worth beside the paper's."""
        entry, cost = self.paper.entry, self._kept("cost")
        began = "from scratch" if self.origin(cost) == "from scratch" else "pretrained"
        epochs, planned = entry.recipe.training.epochs, entry.planned_epochs
        share = f"{epochs} of {planned}" if epochs != planned else f"all {planned}"
        return f"{began}, {share} epochs"

    def budget(self, cost: dict[str, Any]) -> str:
        """``3 epochs (the recipe: 20) of 4,662 films``."""
        entry, training = self.paper.entry, self.paper.entry.recipe.training
        epochs = cost["epochs"] if cost else training.epochs
        words = f"{epochs} epoch{'s' * (epochs != 1)}"
        if training.epochs != entry.planned_epochs:
            words += f" (the recipe: {entry.planned_epochs})"
        if epochs < training.epochs:
            words += f", stopped early (at most {training.epochs})"
        if training.samples_per_epoch:
            return f"{words} of {training.samples_per_epoch:,} films"
        if not cost:
            return words
        sampling = "" if training.sampling == "all" else f", {training.sampling}"
        return f"{words} of {cost['films']:,} films{sampling}"

    @property
    def note(self) -> str:
        """The plan's, and which of its networks are not calibrated."""
        nothing, raw = [], []
        for result in self._trainings():
            if result.record and result.record.learnt_nothing:
                nothing.append(str(result.protocol))
            elif result.record and result.record.shares_as_softmax:
                raw.append(str(result.protocol))
        words = [self.paper.entry.note] if self.paper.entry.note else []
        if nothing:
            words.append(f"not calibrated: it learnt nothing ({', '.join(nothing)})")
        if raw:
            words.append(f"bacterial and viral not calibrated apart ({', '.join(raw)})")
        return "; ".join(words)

    @property
    def learnt_nothing(self) -> bool:
        """Whether one of its networks could not be calibrated."""
        records = (result.record for result in self._trainings())
        return any(record.learnt_nothing for record in records if record)

    def failures(self) -> Iterator[tuple[str, ...]]:
        for result in self._trainings():
            if result.record and result.record.reason and not result.record.learnt_nothing:
                yield self.name, str(result.protocol), result.record.reason

    def as_row(self) -> dict[str, Any]:
        """For the CSV; what is not known is empty."""
        entry, cost, speed = self.paper.entry, self._kept("cost"), self._kept("speed")
        row: dict[str, Any] = {"name": self.name, "recipe": entry.recipe.name}
        row["classes"] = self.classes
        row |= {f"reported_{name}": entry.recipe.figures.get(name) for name in FIGURES}
        for prefix, result, part in self._columns():
            row |= {f"{prefix}_{name}": v for name, v in _flat(result, part).items()}
        row |= {"parameters": cost.get("parameters"), "epochs_s": cost.get("epochs_s")}
        row |= {"epochs": cost.get("epochs"), "recipe_epochs": entry.planned_epochs}
        row |= {"train_films": cost.get("films"), "device": cost.get("device")}
        row |= {"film_cpu_s": speed.get("radiograph_s"), "resnet50_cpu_s": speed.get("baseline_s")}
        row["initial_weights"] = self.origin(cost)
        row |= {"changes": dotted.as_words(entry.changes), "note": self.note}
        return row

    def _columns(self) -> tuple[tuple[str, Result, str], ...]:
        return (
            ("paper_protocol", self.paper, _figure_part(self.paper)),
            ("by_patient", self.patient, _figure_part(self.patient)),
            ("official_test", replace(self.patient, locked=not self.has_test), TEST),
        )

    def _trainings(self) -> tuple[Result, ...]:
        return (self.patient,) if is_shared(self.paper.entry) else (self.paper, self.patient)

    def _kept(self, what: str) -> dict[str, Any]:
        """``cost`` or ``speed``, of the training by patient if there is one yet."""
        for result in (self.patient, self.paper):
            found: dict[str, Any] = getattr(result.record, what, {})
            if found:
                return found
        return {}


def lines(results: Iterable[Result], *, has_test: bool) -> list[Line]:
    """From :meth:`~train.research.comparison.runs.Comparison.results`; two belong together."""
    each = iter(results)
    return [Line(paper, patient, has_test) for paper, patient in zip(each, each, strict=True)]


def _figure_part(result: Result) -> str:
    return figure_part(result.entry, result.protocol)


_FLAT = ("films", "accuracy", "precision", "sensitivity", "specificity", "f1")


def _flat(result: Result, part: str) -> dict[str, Any]:
    """The same columns whatever is there, so that every row has them."""
    found = result.record.measured.get(part, {}) if result.record else {}
    half, balanced, classes = (found.get(key, {}) for key in ("half", "balanced", "classes"))
    auroc = found.get("auroc", {"value": None, "ci95": (None, None)})
    row = {"split": LOCKED if result.locked else part, "films": found.get("films")}
    row |= {f"{name}_at_half": half.get(name) for name in _FLAT[1:]}
    row |= {f"{name}_balanced": balanced.get(name) for name in _FLAT[1:]}
    row |= {"auroc": auroc["value"], "auroc_low": auroc["ci95"][0], "auroc_high": auroc["ci95"][1]}
    return row | {f"{name}_of_3": classes.get(name) for name in ("accuracy", "macro_f1")}


def number(value: float | None, digits: int = 3) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _with_f1(accuracy: float | None, f1: float | None) -> str:
    return f"{number(accuracy, 4)} ({number(f1)})"


def _with_interval(rate: dict[str, Any]) -> str:
    if None in rate["ci95"]:
        return number(rate["value"])
    return f"{number(rate['value'])} ({' to '.join(map(number, rate['ci95']))})"


def _pair(rates: dict[str, float | None]) -> str:
    return f"{number(rates['sensitivity'])}, {number(rates['specificity'])}"


def _machine(cost: dict[str, Any]) -> str:
    return "a GPU" if cost["device"] == "cuda" else f"{cost['cores']} CPU cores"
